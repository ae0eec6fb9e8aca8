import { expect, test } from "vitest";
import { findMutants } from "./find-mutants.ts";
import { judge } from "./judge.ts";
import { readOptions } from "./options.ts";
import { readListed, readParts, rowOf, withNumbers } from "./survivors-page.ts";
import type { Fate } from "./trial.ts";

const [mutant] = findMutants("a.ts", "f(a || `b|`);");
if (mutant === undefined) throw new Error("there is no mutant");
const SURVIVED: Fate = { kind: "survived" };
const KILLED: Fate = { kind: "killed", by: "a: b" };
const head = "## Survivors\n| file | operator |\n|---|---|\n";

function listed(why = "equal"): ReturnType<typeof readListed> {
  return readListed(`${head}${rowOf(mutant as NonNullable<typeof mutant>, why)}\n`);
}

function problems(fate: Fate | undefined, rows: ReturnType<typeof readListed>, isComplete = true): unknown {
  const verdict = judge(
    fate ? [{ mutant: mutant as NonNullable<typeof mutant>, fate }] : [],
    rows,
    () => isComplete,
  );
  return [verdict.unlisted.length, ...verdict.problems.map(({ problem }) => problem)];
}

test("a row of the page is read as it was written, with bars and backticks", () => {
  const { file, operator, line, change } = mutant;
  expect(listed()).toEqual([{ file, operator, line, change, why: "equal" }]);
});

test("a survivor must be listed once, with a reason", () => {
  expect(problems(SURVIVED, [])).toEqual([1]);
  expect(problems({ kind: "not loaded" }, [])).toEqual([1]);
  expect(problems(SURVIVED, listed())).toEqual([0]);
  expect(problems(SURVIVED, listed(""))).toEqual([0, "it has no reason"]);
  expect(problems(SURVIVED, [...listed(), ...listed()])).toEqual([0, "it stands twice"]);
});

test("a listed survivor that is killed is stale, and so is one that no longer exists, if every mutant was tried", () => {
  expect(problems(KILLED, [])).toEqual([0]);
  expect(problems(KILLED, listed(), false)).toEqual([0, "it is killed, by a: b"]);
  expect(problems(undefined, listed())).toEqual([0, "there is no such mutant"]);
  expect(problems(undefined, listed(), false)).toEqual([0]);
});

test("a row with `any` is about every change of its line, and stale once all of them are killed", () => {
  const rows = readListed(`${head}| a.ts | any | \`\` f(a \\|\\| \`b\\|\`); \`\` | \`any\` | equal |\n`);
  expect(problems(SURVIVED, rows)).toEqual([0]);
  expect(problems(KILLED, rows)).toEqual([0, "there is no such mutant"]);
});

test("the table of parts precedes that of survivors, and each is read alone", () => {
  const page = `| file | part |\n|---|---|\n| a.ts | \`#f\` | metrics |\n${head}${rowOf(mutant, "equal")}\n`;
  expect(readParts(page)).toEqual([{ file: "a.ts", name: "#f", why: "metrics" }]);
  expect(readListed(page)).toHaveLength(1);
});

test("the numbers of a run replace the former ones", () => {
  const marks = [
    "<!-- numbers: written by `npm run mutate-readers -- --all --write` -->",
    "<!-- end of numbers -->",
  ];
  const numbers = { files: 2, cases: 3, mutants: 10, killed: 9, survivors: 1 };
  const once = withNumbers(`a\n${marks.join("\n")}\nb\n`, numbers);
  expect(once).toContain("10 mutants of 2 files, tried on 3 vectors; 9 killed, 1 survive");
  expect(withNumbers(once, numbers)).toBe(once);
  expect(() => withNumbers("a", numbers)).toThrow("lacks");
});

test("arguments are read, and wrong ones are reported", () => {
  const read = (...args: string[]) => readOptions(args, ["a.ts"]);
  expect(read()).toEqual({ kind: "run", form: { kind: "sample" }, json: false, write: false });
  expect(read("--all", "--write", "--json")).toMatchObject({
    form: { kind: "all" },
    json: true,
    write: true,
  });
  expect(read("--file", "a.ts")).toMatchObject({ form: { kind: "file", file: "a.ts" } });
  expect(read("--help")).toEqual({ kind: "help" });
  for (const args of [
    ["--file", "b.ts"],
    ["--write"],
    ["--all", "--file", "a.ts"],
    ["--nothing"],
    ["a.ts"],
  ]) {
    expect(read(...args).kind, args.join(" ")).toBe("wrong");
  }
});
