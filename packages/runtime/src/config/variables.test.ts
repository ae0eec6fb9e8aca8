import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { choice, integer, list, path, text, url } from "./variables.ts";

const doc = "What it is for.";
const outcomeOf = (parsed: { ok: boolean; value?: unknown; problem?: string }): unknown =>
  parsed.ok ? parsed.value : parsed.problem;

describe("integer", () => {
  const variable = integer({ min: 1, max: 600, unit: "s", default: 300, doc });

  it("describes what it expects, its unit and its default", () => {
    expect(variable).toMatchObject({
      expected: "an integer from 1 to 600 (s)",
      unit: "s",
      default: "300",
      doc,
    });
  });

  it.each([
    ["1", 1],
    ["600", 600],
    ["007", 7],
    ["0", "is out of bounds"],
    ["601", "is out of bounds"],
    ["-5", "is out of bounds"],
    ["", "is not a decimal integer"],
    ["3.0", "is not a decimal integer"],
    ["1e2", "is not a decimal integer"],
    ["0x10", "is not a decimal integer"],
    [" 5", "is not a decimal integer"],
    ["5s", "is not a decimal integer"],
    ["+5", "is not a decimal integer"],
    ["99999999999999999999", "is not a decimal integer"],
    ["NaN", "is not a decimal integer"],
  ])("reads %j as %j", (raw, expected) => {
    expect(outcomeOf(variable.parse(raw))).toBe(expected);
  });

  it("reads the largest counter exactly, and negative numbers where they are allowed", () => {
    const counter = integer({ min: -1, max: 2 ** 32 - 1, doc });
    expect(outcomeOf(counter.parse("4294967295"))).toBe(4_294_967_295);
    expect(outcomeOf(counter.parse("-1"))).toBe(-1);
  });
});

describe("text", () => {
  it.each([
    ["accepts anything without a pattern", text({ doc }), "anything at all", "anything at all"],
    ["accepts a match", text({ doc, pattern: /^[a-z]+$/ }), "abc", "abc"],
    ["refuses what does not match", text({ doc, pattern: /^[a-z]+$/ }), "ABC", "does not have that form"],
    ["refuses a second line", text({ doc, pattern: /^[a-z]+$/ }), "abc\n", "does not have that form"],
  ])("%s", (_name, variable, raw, expected) => {
    expect(outcomeOf(variable.parse(raw))).toBe(expected);
  });
});

describe("choice", () => {
  const variable = choice(["dev", "prod"], { default: "dev", doc });

  it("lists its values", () => {
    expect(variable).toMatchObject({ expected: "one of dev, prod", default: "dev" });
  });

  it.each([
    ["prod", "prod"],
    ["PROD", "is not one of them"],
    ["", "is not one of them"],
    ["toString", "is not one of them"],
  ])("reads %j as %j", (raw, expected) => {
    expect(outcomeOf(variable.parse(raw))).toBe(expected);
  });
});

describe("list", () => {
  const variable = list({ pattern: /^[a-z]+$/, item: "a name", max: 3, default: ["a", "b"], doc });

  it("describes its items, and joins its default", () => {
    expect(variable).toMatchObject({
      expected: "1 to 3 items separated by commas, each a name",
      default: "a,b",
    });
  });

  it.each([
    ["a", ["a"]],
    ["a, b ,c", ["a", "b", "c"]],
    ["a,,b", "has an item that is not a name (number 2)"],
    ["a,", "has an item that is not a name (number 2)"],
    ["a,B", "has an item that is not a name (number 2)"],
    ["a,b,a", "names an item twice"],
    ["a,b,c,d", "has too many items"],
  ])("reads %j as %j", (raw, expected) => {
    expect(outcomeOf(variable.parse(raw))).toEqual(expected);
  });
});

describe("url", () => {
  const variable = url({ schemes: ["redis", "rediss"], doc });

  it.each([
    ["redis://127.0.0.1:6379/1", "redis://127.0.0.1:6379/1"],
    ["rediss://user:pass@host", "rediss://user:pass@host"],
    ["http://host", "has another scheme"],
    ["host:6379", "has another scheme"],
    ["//host", "is not a URL"],
    ["not a url", "is not a URL"],
  ])("reads %j as %j", (raw, expected) => {
    expect(outcomeOf(variable.parse(raw))).toBe(expected);
  });
});

describe("path", () => {
  let dir: TempDir;
  let file: string;
  beforeAll(() => {
    dir = createTempDir();
    file = join(dir.path, "file");
    writeFileSync(file, "x");
    mkdirSync(join(dir.path, "folder"));
  });
  afterAll(() => dir[Symbol.dispose]());

  it("accepts an existing file, and refuses a missing one and a folder", () => {
    const variable = path({ doc });
    expect(outcomeOf(variable.parse(file))).toBe(file);
    expect(outcomeOf(variable.parse(join(dir.path, "none")))).toBe("names a file that does not exist");
    expect(outcomeOf(variable.parse(join(dir.path, "folder")))).toBe("does not name a file");
  });

  it("accepts a missing file if it may be missing", () => {
    const missing = join(dir.path, "none");
    expect(outcomeOf(path({ doc, mayBeMissing: true }).parse(missing))).toBe(missing);
  });

  it.each([0o640, 0o604, 0o620, 0o644])("refuses a private file of mode %o", (mode) => {
    chmodSync(file, mode);
    expect(outcomeOf(path({ doc, private: true }).parse(file))).toBe("names a file that others may read");
    chmodSync(file, 0o600);
    expect(outcomeOf(path({ doc, private: true }).parse(file))).toBe(file);
  });
});
