import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../check/sources.ts";
import { findMutants, isInSample, keyOf } from "./find-mutants.ts";
import { targetsIn } from "./targets.ts";

function changesOf(source: string): string[] {
  return findMutants("a.ts", source).map(({ operator, change }) => `${operator}: ${change}`);
}

describe("a mutant is made of", () => {
  test.each<[string, string, readonly string[]]>([
    ["a comparison", "f(a < b)", ["comparison: a < b → a <= b", "comparison: a < b → a >= b"]],
    ["an equality", "f(a === b)", ["comparison: a === b → a !== b"]],
    [
      "a logical operator",
      "f(a && b)",
      ["operand dropped: a && b → a", "operand dropped: a && b → b", "logical operator: a && b → (a || b)"],
    ],
    ["a default", "f(a ?? b)", ["operand dropped: a ?? b → b"]],
    ["a negation", "f(!a)", ["negation dropped: !a → a"]],
    ["a boolean", "f(true)", ["boolean: true → false"]],
    ["a number", "f(9e15)", ["number: 9e15 → (9e15 + 1)", "number: 9e15 → (9e15 - 1)"]],
    ["a text", 'f("k")', ['text changed: "k" → "k~"', 'text emptied: "k" → ""']],
    ["a template", `f(\`a$${"{b}"}\`)`, ['part dropped: b → ""', "part dropped: a → nothing"]],
    [
      "a check",
      "function f(a) { if (a) return; g(); }",
      [
        "check removed: if (a) return; → nothing",
        "branch forced: a → true",
        "statement removed: g(); → nothing",
      ],
    ],
    ["a choice", "f(a ? b : c)", ["branch forced: a ? b : c → b", "branch forced: a ? b : c → c"]],
    ["a list", "f([a, b])", ["element dropped: [a, b] → [b]", "element dropped: [a, b] → [a]"]],
    [
      "a join",
      "f(lp(a, b))",
      [
        "parts swapped: lp(a, b) → lp(b, a)",
        "part dropped: lp(a, b) → lp(b)",
        "part dropped: lp(a, b) → lp(a)",
      ],
    ],
    [
      "a concatenation",
      "f(Buffer.concat([a, b]))",
      ["parts swapped: Buffer.concat([a, b]) → Buffer.concat([b, a])", "element dropped: [a, b] → [a]"],
    ],
    [
      "a comparison of secrets",
      "f(timingSafeEqual(a, b))",
      ["predicate forced: timingSafeEqual(a, b) → true"],
    ],
    ["a wipe", "key.fill(0);", ["wiping removed: key.fill(0); → nothing"]],
    [
      "a pattern",
      "f(/^[a-z]{2,3}$/)",
      [
        "pattern: /^[a-z]{2,3}$/ → /[a-z]{2,3}$/",
        "pattern: /^[a-z]{2,3}$/ → /^[a-z]{2,3}/",
        "pattern: /^[a-z]{2,3}$/ → /^[a-z]{2,4}$/",
        "pattern: /^[a-z]{2,3}$/ → /^[\\w\\W]{2,3}$/",
        "pattern: /^[a-z]{2,3}$/ → /^[a-z]{2,3}$/i",
        "pattern: /^[a-z]{2,3}$/ → /^[a-z]{2,3}$/m",
      ],
    ],
    [
      "the order of two checks",
      "function f(a) { if (a) return 1; const b = g(a); if (b) return 2; }",
      [
        "check moved: if (a) return 1; const b = g(a); if (b) return 2; → const b = g(a); if (b) return 2; if (a) return 1;",
      ],
    ],
    [
      "a form",
      "const F = { kid: matches(P), v: (it) => it === 1 };\nfunction matches(p) { return (it) => p.test(it); }",
      [
        'form widened: matches(P) → (it) => typeof it === "string"',
        "form widened: matches(P) → () => true",
        "form widened: (it) => it === 1 → () => true",
      ],
    ],
    [
      "a schema",
      'import { z } from "zod";\nz.strictObject({ a: z.string().max(N) });',
      [
        "schema widened: z.strictObject({ a: z.string().max(N) }) → z.object({ a: z.string().max(N) })",
        "member dropped: { a: z.string().max(N) } → { }",
        "member widened: a: z.string().max(N) → a: z.string().max(N).optional()",
        "member widened: a: z.string().max(N) → a: z.string().max(N).nullable()",
        "member widened: a: z.string().max(N) → a: z.string()",
        "schema check dropped: z.string().max(N) → z.string()",
        "bound moved: N → (N) + 1",
        "bound moved: N → (N) - 1",
      ],
    ],
  ])("%s", (_, source, expected) => {
    expect(changesOf(source)).toEqual(expect.arrayContaining([...expected]));
  });
});

test.each<[string, string]>([
  ["a type", 'type A = "a" | "b" | 1;\ninterface B { readonly a: A }'],
  ["the name of a module", 'import { a } from "./a.ts";'],
  ["what is thrown", 'function f() { throw new Error("a" + 1); }'],
  ["the text of an error", 'const a = new RangeError("a");'],
  ["a directive", '"use strict";'],
  ["the message of a refinement", 'const a = b.refine(c, "has too many");'],
])("no mutant is made of %s", (_, source) => {
  expect(changesOf(source)).toEqual([]);
});

test("a mutant is found again by its line and its change, after lines have moved", () => {
  const source = "f(a < b);\nf(a < b);\n";
  const keys = findMutants("a.ts", source).map(keyOf);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys).toContain("a.ts\ncomparison\nf(a < b);\na < b → a <= b (2)");
  expect(findMutants("a.ts", `\n// more\n${source}`).map(keyOf)).toEqual(keys);
});

test("operands stay together", () => {
  expect(changesOf("f((a ?? b) < c)")).toContain("comparison: (a ?? b) < c → (a ?? b) <= c");
  expect(changesOf("f(a || b || c)")).toContain("logical operator: a || b || c → ((a || b) && c)");
  expect(changesOf("const f = (a) => (a ? {} : b)")).toContain("branch forced: a ? {} : b → ({})");
});

test("of long code the key has what differs", () => {
  const many = Array.from({ length: 30 }, (_, at) => `member${at}`);
  const [, second] = changesOf(`f([${many.join(", ")}])`);
  expect(second).toBe(
    "element dropped: [member0, member1, member2, member3, … → [member1, member2, member3, …",
  );
});

test("positions after types are those of the source", () => {
  const typed = "const a: Record<string, number> = {};\nconst b = (c as unknown as number) < 1;\n";
  const [mutant] = findMutants("a.ts", typed);
  expect(mutant?.line).toBe("const b = (c as unknown as number) < 1;");
  expect(mutant?.source).toMatch(/const b = \(c +\) <= 1;/);
});

test("every mutant of the readers is JavaScript with a unique key, and a sample has about its announced size", () => {
  const mutants = targetsIn(ROOT).flatMap((file) =>
    findMutants(file, readFileSync(join(ROOT, file), "utf8")),
  );
  expect(mutants.length).toBeGreaterThan(3000);
  expect(new Set(mutants.map(keyOf)).size).toBe(mutants.length);
  const share = mutants.filter((mutant) => isInSample(mutant, 8)).length / mutants.length;
  expect(share).toBeGreaterThan(0.09);
  expect(share).toBeLessThan(0.16);
}, 120_000);

test("a target that does not exist is an error", () => {
  expect(() => targetsIn(ROOT, ["scripts/mutants/{targets,nothing}.ts"])).toThrow("nothing.ts");
  expect(targetsIn(ROOT, ["scripts/mutants/find-*.ts"])).toEqual(["scripts/mutants/find-mutants.ts"]);
});

test("a part that is named is not mutated: a function, a constant, a method", () => {
  const source =
    "const a = 1; function b() { return 2; } class C { #d() { return 3; } e() { return 4; } } f(5);";
  const changed = findMutants("a.ts", source, new Set(["a", "b", "#d", "e"])).map(({ change }) => change);
  expect(changed.filter((change) => /^[1-4] /.test(change))).toEqual([]);
  expect(changed).toContain("5 → (5 + 1)");
});
