import { defineConfig, readConfig } from "@scbe/runtime";
import { createTempDir } from "@scbe/testkit";
import { describe, expect, it } from "vitest";
import { PROCESSES } from "./configuration-page.ts";

const VARIABLES = Object.entries(
  Object.assign(
    {},
    ...PROCESSES.map(({ spec }) => spec.variables),
  ) as (typeof PROCESSES)[0]["spec"]["variables"],
);
const URLS = VARIABLES.filter(([name, { expected }]) => /URL/.test(`${name} ${expected}`));

/** Each is refused by every variable that is a URL. */
const WRONG = [
  "gopher://user:hunter2@host:4222",
  "gopher://hunter2@host",
  "user:hunter2@host:4222",
  "gopher://user:a@b,hunter2/?#x@host:4222",
  "gopher://a:hunter2@one, gopher://b:hunter2@two",
  `gopher://user:${"x".repeat(300)}hunter2@host`,
  "gopher://host/events?token=hunter2",
];

describe("the problem of a refused value", () => {
  it("is looked at for all variables that are URLs", () => {
    expect(URLS.map(([name]) => name)).toEqual(
      expect.arrayContaining([
        "NATS_URL",
        "REDIS_URL",
        "PROMETHEUS_URL",
        "ALERTMANAGER_URL",
        "PAGERDUTY_URL",
      ]),
    );
  });

  it.each(URLS)("shows nothing of a user or password in %s", (name, variable) => {
    const spec = defineConfig({ [name]: { ...variable, optional: true } });
    for (const value of WRONG) {
      const reading = readConfig(spec, { [name]: value });
      expect(reading).toMatchObject({ ok: false, problems: [expect.stringContaining(name)] });
      expect(JSON.stringify(reading)).not.toContain("hunter2");
    }
  });

  it.each(VARIABLES)("shows no password of a URL that was put into %s", (name, variable) => {
    const spec = defineConfig({ [name]: variable });
    for (const env of [name, `${name}_FILE`])
      for (const value of WRONG.filter((it) => it.includes("://")))
        expect(JSON.stringify(readConfig(spec, { [env]: value }))).not.toMatch(/"problems":.*hunter2/);
  });

  it("shows a path whole, an @ in it included", () => {
    using dir = createTempDir();
    const path = `${dir.path}/node_modules/@scbe/none`;
    const spec = defineConfig(Object.fromEntries(VARIABLES.filter(([name]) => name === "NATS_CREDS")));
    expect(JSON.stringify(readConfig(spec, { NATS_CREDS: path }))).toContain(path);
  });

  it("shows the rest of a URL", () => {
    const spec = defineConfig(Object.fromEntries(VARIABLES.filter(([name]) => name === "NATS_URL")));
    expect(readConfig(spec, { NATS_URL: "nats://user:hunter2@host:4222" })).toMatchObject({
      problems: [expect.stringContaining('"nats://***@host:4222" has an item')],
    });
  });
});
