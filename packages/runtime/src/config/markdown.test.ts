import { describe, expect, it } from "vitest";
import { configMarkdown } from "./markdown.ts";
import { defineConfig } from "./read-config.ts";
import { choice, integer, text } from "./variables.ts";

const LEVEL = choice(["info", "debug"], { default: "info", doc: "How much is logged." });
const one = defineConfig({
  LEVEL,
  PORT: integer({ default: 1, min: 0, max: 9, unit: "TCP port", doc: "Its own | port." }),
  TOKEN: text({ secret: true, doc: "Lets it in.", default: "hunter2" }),
});
const two = defineConfig({
  LEVEL,
  PORT: integer({ default: 2, min: 0, max: 9, unit: "TCP port", doc: "Its own." }),
});

describe("the configuration's page", () => {
  const page = configMarkdown([
    { title: "one", spec: one },
    { title: "two", spec: two },
    { title: "three", spec: defineConfig({ NAME: text({ doc: "Required." }) }) },
  ]);

  it("lists a shared variable once, with its readers, and the others in their sections", () => {
    expect(page.match(/`LEVEL`/g)).toHaveLength(1);
    expect(page).toContain(
      "| `LEVEL` | How much is logged. | one of info, debug |  | `info` | no | one, two |",
    );
    expect(page.match(/`PORT`/g)).toHaveLength(2);
    expect([...page.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual([
      "Shared",
      "one",
      "two",
      "three",
    ]);
  });

  it("lists unit, default, whether it is required and whether it is secret, and no default of a secret", () => {
    expect(page).toContain(
      "| `PORT` | Its own \\| port. | an integer from 0 to 9 (TCP port) | TCP port | `1` | no |",
    );
    expect(page).toContain("| `TOKEN` | Lets it in. | text |  | none | yes; or `TOKEN_FILE` |");
    expect(page).toContain("| `NAME` | Required. | text |  | required | no |");
    expect(page).not.toContain("hunter2");
  });
});
