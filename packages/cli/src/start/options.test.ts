import { describe, expect, test } from "vitest";
import { helpText, readArguments } from "./options.ts";

describe("the arguments of npm start", () => {
  test.each([
    [[], { once: false, json: false, autoPorts: false, fresh: false }],
    [["--once"], { once: true, json: false, autoPorts: false, fresh: false }],
    [["--json", "--once"], { once: true, json: true, autoPorts: false, fresh: false }],
    [["--ports", "auto"], { once: false, json: false, autoPorts: true, fresh: false }],
    [["--fresh"], { once: false, json: false, autoPorts: false, fresh: true }],
    [["--ports=usual"], { once: false, json: false, autoPorts: false, fresh: false }],
  ])("%j is understood", (args, options) => {
    expect(readArguments(args)).toEqual({ kind: "start", options });
  });

  test.each([
    ["an unknown flag", ["--onze"], "--onze"],
    ["a word", ["once"], "once"],
    ["a value for a flag that takes none", ["--once=no"], "--once"],
    ["other ports", ["--ports", "7000"], "--ports"],
  ])("%s is wrong, and named", (_case, args, named) => {
    expect(readArguments(args)).toEqual({ kind: "wrong", problem: expect.stringContaining(named) });
  });

  test.each([["--help"], ["-h"]])("%s asks for help, which names every flag and variable", (flag) => {
    expect(readArguments([flag, "--once"])).toEqual({ kind: "help" });
    for (const name of [
      "--once",
      "--json",
      "--ports",
      "--fresh",
      "SCBE_KEYRING_OPS_PORT",
      "SCBE_LOCAL_DIR",
    ]) {
      expect(helpText()).toContain(name);
    }
  });
});
