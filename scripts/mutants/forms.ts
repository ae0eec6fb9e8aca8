import type { AnyNode, Program } from "acorn";
import { type Operator, replaced } from "./change.ts";

/** Predicates that accept any value of a type, and any value. */
const ANY = ['(it) => typeof it === "string"', '(it) => typeof it === "number"', "() => true"];

/**
 * Members of an object whose values are functions of one value that answer yes or no, or are made by a function of the same file that
 * returns one (`kid: matches(NAME)`): each of them is changed to accept anything.
 */
export const forms: Operator = ({ node, makers }) => {
  if (node.type !== "Property" || node.kind !== "init" || node.method) return [];
  const { value } = node;
  const isMade =
    value.type === "CallExpression" && value.callee.type === "Identifier" && makers.has(value.callee.name);
  const isForm =
    value.type === "ArrowFunctionExpression" && value.params.length === 1 && isYesOrNo(value.body);
  return isMade || isForm ? replaced("form widened", value, ...ANY) : [];
};

function isYesOrNo(body: AnyNode): boolean {
  if (body.type === "ParenthesizedExpression") return isYesOrNo(body.expression);
  if (body.type === "BinaryExpression") return /^([<>]=?|[!=]==)$/.test(body.operator);
  if (body.type === "UnaryExpression") return body.operator === "!";
  if (body.type === "LogicalExpression") return isYesOrNo(body.left) || isYesOrNo(body.right);
  return body.type === "CallExpression" && body.callee.type === "MemberExpression";
}

/** The functions of a module that return a function. */
export function makersIn({ body }: Program): ReadonlySet<string> {
  const names = body.flatMap((statement) => {
    if (statement.type !== "FunctionDeclaration") return [];
    const last = statement.body.body.at(-1);
    const isMaker = last?.type === "ReturnStatement" && last.argument?.type === "ArrowFunctionExpression";
    return isMaker ? [statement.id.name] : [];
  });
  return new Set(names);
}
