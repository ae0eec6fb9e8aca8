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

describe("a file or folder is taken for this process's own", () => {
  test("when it is its user's, and no other user may write to it; reading is another question", () => {
    expect(whyNotOwn(file(inside("a"), 0o644))).toBeUndefined();
    expect(whyNotOwn(dir.path)).toBeUndefined();
    expect(whyNotOwn(inside("not", "there"))).toBeUndefined();
  });

  test.each([
    ["its group", 0o620],
    ["the world", 0o602],
  ])("not when %s may write to it; the answer says what to do", (_case, mode) => {
    expect(whyNotOwn(file(inside("a"), mode))).toMatch(
      /can be changed by other users \(mode 06\d\d\).*chmod go-w/,
    );
  });

  test("not when another user owns it; the answer names both", () => {
    expect(whyNotOwn(file(inside("a")), OTHER)).toBe(
      `${inside("a")} belongs to the user with id ${me}, and this process runs as ${OTHER}: run it as that user, or name another folder`,
    );
  });

  test("as a symbolic link of its own, by what that leads to", () => {
    symlinkSync(file(inside("a")), inside("good"));
    expect(whyNotOwn(inside("good"))).toBeUndefined();
    symlinkSync(file(inside("b"), 0o666), inside("bad"));
    expect(whyNotOwn(inside("bad"))).toContain("can be changed by other users");
  });

  test.skipIf(!isRoot)("not as a symbolic link that another user has put there, wherever that leads", () => {
    symlinkSync(file(inside("a")), inside("link"));
    lchownSync(inside("link"), OTHER, OTHER);
    expect(whyNotOwn(inside("link"))).toContain(
      `is a symbolic link that belongs to the user with id ${OTHER}`,
    );
  });
});

describe("a whole folder", () => {
  test("is taken when every entry is", () => {
    mkdirSync(inside("a", "b"), { recursive: true });
    file(inside("a", "b", "c"));
    symlinkSync(dir.path, inside("a", "round"));
    expect(whyNotAllOwn(dir.path)).toEqual([]);
  });

  test("is not for one entry, however deep, or behind a symbolic link", () => {
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

  test.skipIf(!isRoot)("is not when another user has put a file into it", () => {
    chownSync(file(inside("theirs")), OTHER, OTHER);
    expect(whyNotAllOwn(dir.path)).toEqual([expect.stringContaining(`belongs to the user with id ${OTHER}`)]);
  });

  test("names a few of many entries", () => {
    for (let number = 0; number < 20; number += 1) file(inside(String(number)), 0o666);
    expect(whyNotAllOwn(dir.path)).toHaveLength(PROBLEMS_MAX);
  });
});

describe("a folder of state", () => {
  test("is made where there is none, for its owner alone", () => {
    ownFolder(inside("a", "b"));
    expect(statSync(inside("a", "b")).mode & 0o777).toBe(0o700);
  });

  test.each<[string, (path: string) => void]>([
    ["a file", (path) => void file(path)],
    ["a folder that others may write to", (path) => mkdirSync(path) ?? chmodSync(path, 0o777)],
  ])("is not %s", (_case, prepare) => {
    prepare(inside("a"));
    expect(() => ownFolder(inside("a"))).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
  });
});
