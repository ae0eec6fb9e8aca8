import type { AnyNode, CallExpression } from "acorn";
import { type Change, calledName, type Operator, type Place, replaced } from "./change.ts";

/** Calls whose arguments become one text, in their order. */
const JOINS = /^(lp|concat)$/;
const OPPOSITES: Readonly<Record<string, string>> = { every: "some", some: "every", min: "max", max: "min" };

/** Calls and statements without a value are removed; calls that join bytes lose a part, or change its order. */
export const calls: Operator = (place) => {
  const { node, text } = place;
  if (node.type === "ExpressionStatement") return statement(place);
  if (node.type !== "CallExpression") return [];
  const name = calledName(node);
  const { callee } = node;
  const other = OPPOSITES[name];
  const isOfMath = callee.type === "MemberExpression" && text(callee.object) === "Math";
  return [
    ...(JOINS.test(name) ? joined(node, place) : []),
    ...(other !== undefined && callee.type === "MemberExpression" && (isOfMath || /^(every|some)$/.test(name))
      ? replaced("call exchanged", callee.property, other)
      : []),
  ];
};

function statement({ node, above, text }: Place): Change[] {
  if (node.type !== "ExpressionStatement" || node.directive !== undefined) return [];
  const isInConstructor = above.some(
    (outer) => outer.type === "MethodDefinition" && outer.kind === "constructor",
  );
  if (isInConstructor && node.expression.type === "AssignmentExpression") return [];
  const isWipe = /\.fill\(0\)|\bwipe/.test(text(node));
  return replaced(isWipe ? "wiping removed" : "statement removed", node, ";");
}

/** The parts of `lp(a, b)`, `Buffer.concat([a, b])` or `a.concat(b)`. */
function joined(node: CallExpression, { text }: Place): Change[] {
  const [only] = node.arguments;
  const list: AnyNode | undefined = node.arguments.length === 1 ? only : undefined;
  const isList = list?.type === "ArrayExpression";
  const parts = isList ? list.elements.flatMap((item) => item ?? []) : node.arguments;
  const texts = parts.map(text);
  const swapped = texts
    .slice(1)
    .map((_, at) => texts.with(at, texts[at + 1] ?? "").with(at + 1, texts[at] ?? ""));
  /** Elements of a list are dropped by another change. */
  const dropped = isList ? [] : texts.map((_, at) => texts.toSpliced(at, 1));
  const called = text(node.callee);
  const write = (all: readonly string[]): string =>
    isList ? `${called}([${all.join(", ")}])` : `${called}(${all.join(", ")})`;
  return [
    ...replaced("parts swapped", node, ...swapped.map(write)),
    ...replaced("part dropped", node, ...dropped.map(write)),
  ];
}
