import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { vectorsIn } from "#check/spec-vectors.ts";
import { specCases } from "./spec-cases.ts";

const FOLDER = join(import.meta.dirname, "../../docs/spec/vectors");
const cases = specCases();

test.each(cases.map(({ file, name, run }) => [`${file}: ${name}`, run] as const))("%s", async (_, run) => {
  await run();
});

describe("exactly one case runs each vector of", () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
  test.each(files.map((name) => name.replace(/\.json$/, "")))("%s", (file) => {
    const json: unknown = JSON.parse(readFileSync(join(FOLDER, `${file}.json`), "utf8"));
    const named = vectorsIn({ path: file, json }).map(({ name }) => name);
    const tried = cases.filter((each) => each.file === file).map(({ name }) => name);
    expect(named).not.toEqual([]);
    const untried = named.filter((name) => !takeOne(tried, name ?? ""));
    expect({ untried, ofNoVector: tried }).toEqual({ untried: [], ofNoVector: [] });
  });

  test("no case belongs to another file", () => {
    const of = new Set(cases.map(({ file }) => `${file}.json`));
    expect(files).toEqual(expect.arrayContaining([...of]));
  });
});

/** Removes the case of a vector from `tried`. If lists of a file share names, a case's name begins with the list: `subject: a*b`. */
function takeOne(tried: string[], name: string): boolean {
  const at = tried.findIndex((it) => it === name || it.endsWith(`: ${name}`));
  return at !== -1 && tried.splice(at, 1).length === 1;
}
