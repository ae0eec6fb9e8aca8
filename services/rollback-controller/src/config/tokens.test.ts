import { defineConfig, readConfig } from "@scbe/runtime";
import { describe, expect, it } from "vitest";
import { tokenVariables } from "./tokens.ts";

const spec = defineConfig(tokenVariables);
const A = "a".repeat(16);

describe("tokens in the configuration", () => {
  it("need not be there", () => {
    expect(readConfig(spec, {})).toMatchObject({ ok: true });
  });

  it.each([
    ["is short", "a".repeat(15)],
    ["has a space", `${A} b`],
    ["has a line end", `${A}\nb`],
    ["is endless", "a".repeat(513)],
  ])("are refused when one %s, and not shown", (_case, token) => {
    const reading = readConfig(spec, { ADMIN_TOKEN: token });
    expect(reading).toMatchObject({
      ok: false,
      problems: [expect.stringMatching(/^ADMIN_TOKEN: its value/)],
    });
    expect(JSON.stringify(reading)).not.toContain(token.slice(0, 15));
  });

  it.each([
    ["ADMIN_TOKEN", "EMERGENCY_TOKEN"],
    ["ADMIN_TOKEN", "SCBE_ALERTMANAGER_TOKEN"],
    ["EMERGENCY_TOKEN", "SCBE_ALERTMANAGER_TOKEN"],
  ])("are refused when %s and %s are the same", (one, other) => {
    expect(readConfig(spec, { [one]: A, [other]: A })).toEqual({
      ok: false,
      problems: [`${one}: is the same as ${other}; each needs one of its own`],
    });
  });
});
