import { createHash } from "node:crypto";
import { stripTypeScriptTypes } from "node:module";
import { type AnyNode, type Program, parse } from "acorn";
import { calls } from "./calls.ts";
import { type Change, calledName, type Operator, type Place } from "./change.ts";
import { conditions } from "./conditions.ts";
import { forms, makersIn } from "./forms.ts";
import { schemas } from "./schemas.ts";
import { values } from "./values.ts";

/** A source with one change. */
export interface Mutant {
  /** From the root, with `/`. */
  readonly file: string;
  readonly operator: string;
  /** The source line in which the change begins, trimmed. */
  readonly line: string;
  /** The old and the new text, shortened; a second equal change of the same line ends in ` (2)`. */
  readonly change: string;
  /** From 1, for the report; not a part of the key. */
  readonly lineNumber: number;
  /** The whole file, changed, in JavaScript. */
  readonly source: string;
}

/** The key of a mutant, which stays when lines move. */
export function keyOf({ file, operator, line, change }: Omit<Mutant, "lineNumber" | "source">): string {
  return [file, operator, line, change].join("\n");
}

/** True of one mutant in `n`, the same ones in every run. */
export function isInSample(mutant: Mutant, n: number): boolean {
  return createHash("sha256").update(keyOf(mutant)).digest().readUInt32BE() % n === 0;
}

const OPERATORS: readonly Operator[] = [conditions, values, calls, schemas, forms];

/**
 * Every mutant of a source. Types are blanked first (Node keeps every position), so that no mutant changes only types.
 * @param parts names of declarations and methods that are not mutated
 * @throws Error if Node does not keep the positions, or a mutant is not JavaScript
 */
export function findMutants(file: string, typed: string, parts: ReadonlySet<string> = new Set()): Mutant[] {
  const source = stripTypeScriptTypes(typed);
  if (source.length !== typed.length) throw new Error(`${file}: without its types it has other positions`);
  const tree = parseModule(file, source);
  const text = (node: AnyNode): string => source.slice(node.start, node.end);
  const hasSchemas = tree.body.some((it) => it.type === "ImportDeclaration" && it.source.value === "zod");
  const makers = makersIn(tree);
  const changes = [...placesIn(tree, [], parts)].flatMap((place) =>
    OPERATORS.flatMap((operator) => operator({ ...place, hasSchemas, makers, text })),
  );
  return distinct(
    changes.filter((change) => source.slice(change.start, change.end) !== change.replacement),
  ).map(mutantsOf(file, source, typed));
}

function parseModule(name: string, source: string): Program {
  try {
    return parse(source, { ecmaVersion: "latest", sourceType: "module", preserveParens: true });
  } catch (cause) {
    throw new Error(`${name}: ${cause}`, { cause });
  }
}

/** The nodes that can be mutated. */
function* placesIn(
  node: AnyNode,
  above: readonly AnyNode[],
  parts: ReadonlySet<string>,
): Generator<Pick<Place, "node" | "above">> {
  if (isForPeople(node) || parts.has(declaredName(node))) return;
  yield { node, above };
  const around = node.type === "ParenthesizedExpression" ? above : [node, ...above];
  for (const child of childrenOf(node)) yield* placesIn(child, around, parts);
}

/** The name of a function, method or constant where it is declared. */
function declaredName(node: AnyNode): string {
  if (node.type === "FunctionDeclaration") return node.id?.name ?? "";
  if (node.type === "VariableDeclarator") return node.id.type === "Identifier" ? node.id.name : "";
  if (node.type !== "MethodDefinition") return "";
  if (node.key.type === "PrivateIdentifier") return `#${node.key.name}`;
  return node.key.type === "Identifier" ? node.key.name : "";
}

/** Code that throws, and texts of errors: programs do not depend on them. */
function isForPeople(node: AnyNode): boolean {
  if (node.type === "ThrowStatement") return true;
  return (
    node.type === "NewExpression" && node.callee.type === "Identifier" && node.callee.name.endsWith("Error")
  );
}

function childrenOf(node: AnyNode): AnyNode[] {
  const children = Object.entries(node).flatMap(([key, value]) => {
    if (key === "arguments" && /^(refine|superRefine)$/.test(calledName(node)))
      return [(value as AnyNode[])[0]];
    return Array.isArray(value) ? value : [value];
  });
  return children.filter((child): child is AnyNode => typeof child?.type === "string");
}

function distinct(changes: readonly Change[]): Change[] {
  const known = new Map(
    changes.map((change) => [`${change.start} ${change.end} ${change.replacement}`, change]),
  );
  return [...known.values()].sort((one, other) => one.start - other.start);
}

function mutantsOf(file: string, source: string, typed: string): (change: Change) => Mutant {
  const times = new Map<string, number>();
  return ({ operator, start, end, replacement }) => {
    const from = typed.lastIndexOf("\n", start - 1) + 1;
    const line = typed.slice(from, `${typed}\n`.indexOf("\n", start)).trim();
    const once = { file, operator, line, change: changeOf(source.slice(start, end), replacement) };
    const time = (times.get(keyOf(once)) ?? 0) + 1;
    times.set(keyOf(once), time);
    const changed = source.slice(0, start) + replacement + source.slice(end);
    parseModule(keyOf(once), changed);
    return {
      ...once,
      change: time === 1 ? once.change : `${once.change} (${time})`,
      lineNumber: typed.slice(0, start).split("\n").length,
      source: changed,
    };
  };
}

/** The old and the new text, each on one line around the difference. */
function changeOf(before: string, after: string): string {
  const [one, other] = [onOneLine(before), onOneLine(after)];
  const end = Math.min(one.length, other.length);
  let from = 0;
  while (from < end && one[from] === other[from]) from += 1;
  let to = 0;
  while (to < end - from && one.at(-1 - to) === other.at(-1 - to)) to += 1;
  return [one, other].map((code) => brief(code, from, code.length - to)).join(" → ");
}

function onOneLine(code: string): string {
  const line = code.trim().replace(/\s+/g, " ");
  return line === "" || line === ";" ? "nothing" : line;
}

const BRIEF_MAX = 90;
const AROUND = 20;

/** Long code is cut to the difference, and a long difference in its middle. */
function brief(code: string, from: number, to: number): string {
  if (code.length <= BRIEF_MAX) return code;
  const [start, end] = [Math.max(0, from - AROUND), Math.min(code.length, to + AROUND)];
  const half = BRIEF_MAX / 2;
  const differing = code.slice(start, end);
  const kept =
    differing.length <= BRIEF_MAX ? differing : `${differing.slice(0, half)} … ${differing.slice(-half)}`;
  return `${start > 0 ? "… " : ""}${kept.trim()}${end < code.length ? " …" : ""}`;
}
