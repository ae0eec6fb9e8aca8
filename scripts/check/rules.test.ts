import { expect, test } from "vitest";
import { ruleProblems, rulesIn } from "./rules.ts";
import { outcomeOf, vectorsIn } from "./spec-vectors.ts";

const PAGE = {
  path: "docs/spec/a.md",
  text: `# A
## Time and \`ts\`
Text may speak of **T9** and of T1.
| id | rule |
|---|---|
| **T1** | \`ts\` \\| at most [300](b.md) |
| 2 | **T2** in a later cell |
- **T3**: one line
  and its second
- another
\`\`\`
- **T4** is an example
\`\`\`
## Time and \`ts\`
1. **KS12** last
`,
};
const README = { path: "README.md", text: "[a](docs/spec/a.md#x)" };

function vectors(...given: readonly object[]) {
  return [{ path: "docs/spec/vectors/v.json", json: { here: [{ deep: given }] } }];
}

const ALL = { name: "all", rules: ["T1", "T2", "T3", "KS12"] };

function problems(page: typeof PAGE, ...given: readonly object[]): string[] {
  return ruleProblems([page], vectors(...given), [page, README]);
}

test("a rule is a table row or a list item that begins with its id, under its heading", () => {
  expect(rulesIn(PAGE).map(({ id, text, section }) => [id, text, section?.anchor])).toEqual([
    ["T1", "`ts` | at most 300", "time-and-ts"],
    ["T2", "in a later cell", "time-and-ts"],
    ["T3", "one line and its second", "time-and-ts"],
    ["KS12", "last", "time-and-ts-1"],
  ]);
});

test("pages and vectors that agree have no problem; an object inside of a vector is none", () => {
  expect(problems(PAGE, { ...ALL, holds: { name: "no vector" } })).toEqual([]);
});

test.each<[string, readonly object[], string]>([
  ["a rule without a vector", [{ ...ALL, rules: ["T1", "T2", "T3"] }], "docs/spec/a.md: KS12 has no vector"],
  ["a vector of an unknown rule", [ALL, { name: "b", rules: ["T9"] }], '"b" names T9, which no page defines'],
  ["a vector without rules", [ALL, { name: "b" }], '"b" names no rule'],
  ["a vector with an empty list", [ALL, { name: "b", rules: [] }], '"b" names no rule'],
  ["a vector without a name", [ALL, { rules: ["T1"] }], "here[0].deep[1] has no name"],
  ["a name that occurs twice", [ALL, ALL], '"all" occurs twice'],
])("%s is found", (_, given, problem) => {
  expect(problems(PAGE, ...given)).toEqual([expect.stringContaining(problem)]);
});

test("a file without vectors is found", () => {
  expect(problems(PAGE)).toContain("docs/spec/vectors/v.json: holds no vector");
});

test("a rule that is defined twice is found, on one page and on two", () => {
  const twice = { ...PAGE, text: `${PAGE.text}- **T1** again\n` };
  expect(problems(twice, ALL)).toEqual(["docs/spec/a.md: T1 is defined twice, first in docs/spec/a.md"]);
  const other = { path: "docs/spec/b.md", text: "# B\n- **T2** again, see [a](a.md)\n" };
  expect(ruleProblems([PAGE, other], vectors(ALL), [PAGE, other, README])).toEqual([
    "docs/spec/b.md: T2 is defined twice, first in docs/spec/a.md",
  ]);
});

test("a rule that readers do not find is reported: before all headings, or on a page without a link to it", () => {
  const headless = { ...PAGE, text: `- **T3** first\n${PAGE.text.replace("- **T3**", "-")}` };
  expect(problems(headless, ALL)).toEqual(["docs/spec/a.md: T3 is before the first heading"]);
  const table = { path: "docs/spec/rules.md", text: "<!-- Generated from it. -->\n[a](a.md#time)" };
  expect(ruleProblems([PAGE], vectors(ALL), [PAGE, table])).toEqual([
    "docs/spec/a.md: defines rules, and no other page links to it",
  ]);
});

test("the outcome of a vector is its own, or that of its list", () => {
  const json = {
    vectors: [
      { name: "a", opens: true },
      { name: "b", ok: false },
      { name: "c", reason: "time" },
    ],
    refused_answers: [{ name: "d" }],
    forms: [{ name: "e" }],
  };
  const outcomes = vectorsIn({ path: "v.json", json }).map(outcomeOf);
  expect(outcomes).toEqual(["accepted", "refused", "refused", "refused", undefined]);
});
