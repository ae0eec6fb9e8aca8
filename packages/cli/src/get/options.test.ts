import { describe, expect, test } from "vitest";
import { helpText, listTools, readArguments } from "./options.ts";
import { PACKAGES } from "./packages.ts";

describe("the arguments of npm run get", () => {
  test.each([
    ["a package", ["jaeger"], ["jaeger"]],
    ["several", ["jaeger", "prometheus"], ["jaeger", "prometheus"]],
    ["programs of one package, which is brought once", ["promtool", "prometheus"], ["prometheus"]],
  ])("name %s", (_case, args, packages) => {
    expect(readArguments(args)).toEqual({ kind: "get", packages });
  });

  test.each([
    [
      "a program that cannot be brought",
      ["nats-server"],
      /"nats-server" is none of jaeger, prometheus, promtool/,
    ],
    ["a name of the object prototype", ["constructor"], /"constructor" is none of/],
    ["an unknown flag", ["--all"], /--all/],
  ])("with %s are wrong, and the message names them", (_case, args, problem) => {
    expect(readArguments(args)).toEqual({ kind: "wrong", problem: expect.stringMatching(problem) });
  });

  test("that are empty print the list, and --help names every package", () => {
    expect(readArguments([])).toEqual({ kind: "list" });
    expect(readArguments(["jaeger", "--help"])).toEqual({ kind: "help" });
    for (const name of Object.keys(PACKAGES)) expect(helpText()).toContain(`  ${name}`);
  });
});

test("the list names every program, its variable, and the command that brings a missing one", () => {
  const list = listTools("/no/such/checkout");
  expect(list).toMatch(/^nats-server +\S+ +SCBE_NATS_SERVER$/m);
  expect(list).toMatch(/^jaeger +(\/\S+|missing: npm run get jaeger) +SCBE_JAEGER$/m);
});
