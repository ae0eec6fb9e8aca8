import { chmodSync } from "node:fs";
import { createTempDir } from "@scbe/testkit";
import { describe, expect, test } from "vitest";
import { readSources } from "../check/sources.ts";
import { PROCESSES } from "./configuration-page.ts";

const variables = PROCESSES.flatMap(({ title, spec }) =>
  Object.entries(spec.variables).map(([name, variable]) => ({ title, name, variable })),
);
const folders = variables.filter(
  ({ name, variable }) => /_DIR$|_FOLDER$/.test(name) || /folder/.test(variable.expected),
);

describe("state of a process is taken only from its own user", () => {
  test("there are variables that name a folder", () => {
    expect(new Set(folders.map(({ name }) => name))).toEqual(new Set(["SCBE_STATE_DIR", "SCBE_LOCAL_DIR"]));
  });

  test.each(folders)("$title refuses a $name that other users may write to", ({ variable }) => {
    using dir = createTempDir();
    expect(variable.parse(dir.path)).toMatchObject({ ok: true });
    chmodSync(dir.path, 0o777);
    expect(variable.parse(dir.path)).toEqual({
      ok: false,
      problem: expect.stringMatching(/can be changed by other users \(mode 0777\).*chmod go-w/),
    });
  });

  test("what a process makes a folder with is the one function that checks its owner", () => {
    const makers = readSources(/^.*\.ts$/)
      .filter(({ path }) => /^((packages|services)\/[\w-]+|examples)\/src\//.test(path))
      .filter(
        ({ path }) => !path.match(/^packages\/(cli|local-stack|testkit)\//) && !path.endsWith(".test.ts"),
      )
      .filter(({ text }) => /\bmkdir(Sync)?\(|\bmkdtemp/.test(text))
      .map(({ path }) => path);
    expect(makers).toEqual(["packages/runtime/src/own-folder.ts"]);
  });
});
