import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keepOrCreateKmsKey, makeFolder, openFolder } from "./local-folder.ts";

describe("the folder of the local stack", () => {
  let dir: TempDir;
  const open = (name: string) => openFolder(makeFolder(dir.path, name));
  beforeEach(() => {
    dir = createTempDir();
  });
  afterEach(() => dir[Symbol.dispose]());

  test.each([
    ["a new one", () => undefined],
    ["an empty one", () => mkdirSync(join(dir.path, "local"), { mode: 0o755 })],
  ])("%s is made its owner's alone, and can be opened again", async (_case, prepare) => {
    prepare();
    await keepOrCreateKmsKey(open("local"));
    expect(statSync(join(dir.path, "local")).mode & 0o777).toBe(0o700);
    writeFileSync(open("local").logFile("keyring"), "of this start");
    expect(existsSync(join(dir.path, "local", "kms.key"))).toBe(true);
  });

  test("that an earlier version has made is taken", () => {
    mkdirSync(join(dir.path, "local", "logs"), { recursive: true });
    writeFileSync(join(dir.path, "local", "kms.key"), "");
    expect(() => open("local")).not.toThrow();
  });

  test("that holds somebody's files is refused, and nothing in it is touched", () => {
    const theirs = join(dir.path, "theirs");
    mkdirSync(join(theirs, "logs"), { recursive: true });
    mkdirSync(join(theirs, "nats"), { mode: 0o755 });
    writeFileSync(join(theirs, "logs", "precious.log"), "");
    const before = statSync(theirs).mode;
    expect(() => open("theirs")).toThrow(/theirs is no folder of npm start.*SCBE_LOCAL_DIR/);
    expect(statSync(theirs).mode).toBe(before);
    expect(readdirSync(theirs, { recursive: true }).sort()).toEqual(["logs", "logs/precious.log", "nats"]);
  });
});
