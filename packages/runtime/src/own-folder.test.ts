import { chmodSync, chownSync, lchownSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ownFolder, PROBLEMS_MAX, whyNotAllOwn, whyNotOwn } from "./own-folder.ts";

const me = process.getuid?.() ?? 0;
const OTHER = me + 4321;
/** Only root may give files away. */
const isRoot = me === 0;

let dir: TempDir;
let inside: (...names: string[]) => string;
beforeEach(() => {
  dir = createTempDir();
  inside = (...names) => join(dir.path, ...names);
});
afterEach(() => dir[Symbol.dispose]());

function file(path: string, mode = 0o600): string {
  writeFileSync(path, "");
  chmodSync(path, mode);
  return path;
}

describe("a file or folder is this process's own", () => {
  test("if its user owns it, and no other user may write to it; others may read it", () => {
    expect(whyNotOwn(file(inside("a"), 0o644))).toBeUndefined();
    expect(whyNotOwn(dir.path)).toBeUndefined();
    expect(whyNotOwn(inside("not", "there"))).toBeUndefined();
  });

  test.each([
    ["its group", 0o620],
    ["the world", 0o602],
  ])("not if %s may write to it; the reason says what to do", (_case, mode) => {
    expect(whyNotOwn(file(inside("a"), mode))).toMatch(
      /can be changed by other users \(mode 06\d\d\).*chmod go-w/,
    );
  });

  test("not if another user owns it; the reason names both", () => {
    expect(whyNotOwn(file(inside("a")), OTHER)).toBe(
      `${inside("a")} belongs to the user with id ${me}, and this process runs as ${OTHER}: run it as that user, or name another folder`,
    );
  });

  test("as a symbolic link of its own, depending on the target", () => {
    symlinkSync(file(inside("a")), inside("good"));
    expect(whyNotOwn(inside("good"))).toBeUndefined();
    symlinkSync(file(inside("b"), 0o666), inside("bad"));
    expect(whyNotOwn(inside("bad"))).toContain("can be changed by other users");
  });

  test.skipIf(!isRoot)("not as a symbolic link of another user, whatever the target", () => {
    symlinkSync(file(inside("a")), inside("link"));
    lchownSync(inside("link"), OTHER, OTHER);
    expect(whyNotOwn(inside("link"))).toContain(
      `is a symbolic link that belongs to the user with id ${OTHER}`,
    );
  });
});

describe("a whole folder", () => {
  test("is accepted if every entry is", () => {
    mkdirSync(inside("a", "b"), { recursive: true });
    file(inside("a", "b", "c"));
    symlinkSync(dir.path, inside("a", "round"));
    expect(whyNotAllOwn(dir.path)).toEqual([]);
  });

  test("is refused for one entry, at any depth or behind a symbolic link", () => {
    using elsewhere = createTempDir();
    mkdirSync(inside("a", "b"), { recursive: true });
    file(inside("a", "b", "c"), 0o666);
    file(join(elsewhere.path, "d"), 0o666);
    symlinkSync(elsewhere.path, inside("link"));
    expect(whyNotAllOwn(dir.path)).toEqual([
      expect.stringContaining(`${inside("a", "b", "c")} can be changed`),
      expect.stringContaining(`${join(elsewhere.path, "d")} can be changed`),
    ]);
  });

  test.skipIf(!isRoot)("is refused for a file of another user", () => {
    chownSync(file(inside("theirs")), OTHER, OTHER);
    expect(whyNotAllOwn(dir.path)).toEqual([expect.stringContaining(`belongs to the user with id ${OTHER}`)]);
  });

  test("names a few of many entries", () => {
    for (let number = 0; number < 20; number += 1) file(inside(String(number)), 0o666);
    expect(whyNotAllOwn(dir.path)).toHaveLength(PROBLEMS_MAX);
  });
});

describe("a folder of state", () => {
  test("is created for its owner alone", () => {
    ownFolder(inside("a", "b"));
    expect(statSync(inside("a", "b")).mode & 0o777).toBe(0o700);
  });

  test.each<[string, (path: string) => void]>([
    ["a file", (path) => void file(path)],
    ["a folder that others may write to", (path) => mkdirSync(path) ?? chmodSync(path, 0o777)],
  ])("cannot be %s", (_case, prepare) => {
    prepare(inside("a"));
    expect(() => ownFolder(inside("a"))).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
  });
});
