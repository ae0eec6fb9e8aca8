import type { AnyNode, BlockStatement } from "acorn";
import { alone, type Change, calledName, type Operator, operand, type Place, replaced } from "./change.ts";

/** The other edge, and the opposite. */
const COMPARISONS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
};

const LOGICAL_OPPOSITES: Readonly<Record<string, string>> = { "&&": "||", "||": "&&" };

/** Calls of predicates. */
const PREDICATE =
  /^((is|may|has|can|permits|was)([A-Z].*)?|includes|test|some|every|equals|startsWith|endsWith|verify|timingSafeEqual)$/;

/** Comparisons, logical operators, negations, checks, branches and predicates. */
export const conditions: Operator = (place) => {
  const { node, text } = place;
  switch (node.type) {
    case "BinaryExpression": {
      const others = COMPARISONS[node.operator] ?? [];
      return others.flatMap((other) =>
        replaced("comparison", node, `${text(node.left)} ${other} ${text(node.right)}`),
      );
    }
    case "LogicalExpression": {
      const { left, right } = node;
      const other = LOGICAL_OPPOSITES[node.operator];
      const exchanged = `(${operand(left, place)} ${other} ${operand(right, place)})`;
      return [
        ...replaced("operand dropped", node, alone(left, place), alone(right, place)),
        ...(other === undefined ? [] : replaced("logical operator", node, exchanged)),
      ];
    }
    case "UnaryExpression":
      return node.operator === "!" ? replaced("negation dropped", node, alone(node.argument, place)) : [];
    case "ConditionalExpression":
      return replaced("branch forced", node, alone(node.consequent, place), alone(node.alternate, place));
    case "IfStatement":
      return ifStatement(node, place);
    case "BlockStatement":
      return checksMoved(node, place);
    case "WhileStatement":
      return replaced("branch forced", node.test, "false");
    case "CallExpression":
      return predicate(place);
    default:
      return [];
  }
};

function ifStatement(node: AnyNode & { type: "IfStatement" }, { text }: Place): Change[] {
  const forced = replaced("branch forced", node.test, "true");
  if (node.alternate) return [...forced, ...replaced("branch forced", node.test, "false")];
  return [...forced, ...replaced(isCheck(node, text) ? "check removed" : "branch removed", node, ";")];
}

/** Each check after the next one, with the declarations between them: the order of checks decides the reason. */
function checksMoved({ body }: BlockStatement, { text }: Place): Change[] {
  const checks = body.flatMap((statement, at) => (isCheck(statement, text) ? [at] : []));
  return checks.slice(1).flatMap((to, at) => {
    const from = checks[at] ?? 0;
    const [first, last] = [body[from], body[to]];
    const between = body.slice(from + 1, to + 1).map(text);
    if (first === undefined || last === undefined) return [];
    const replacement = [...between, text(first)].join(" ");
    return [{ operator: "check moved", start: first.start, end: last.end, replacement }];
  });
}

function isCheck(node: AnyNode, text: Place["text"]): boolean {
  return (
    node.type === "IfStatement" &&
    !node.alternate &&
    /\b(return|throw|continue|break)\b/.test(text(node.consequent))
  );
}

/** Forced to be true, if no other change has the same effect. */
function predicate({ node, above }: Place): Change[] {
  const [parent, beyond] = above;
  if (parent === undefined || !PREDICATE.test(calledName(node))) return [];
  if (isTested(node, parent) || (isNot(parent) && beyond && isTested(parent, beyond))) return [];
  return replaced("predicate forced", node, "true");
}

function isNot(node: AnyNode): boolean {
  return node.type === "UnaryExpression" && node.operator === "!";
}

/** The operand of a logical operator is dropped, and the test of a branch forced, by changes of their own. */
function isTested(node: AnyNode, parent: AnyNode): boolean {
  if (parent.type === "LogicalExpression") return parent.operator === "&&" || isNot(node);
  if (parent.type === "ExpressionStatement") return true;
  return (parent.type === "IfStatement" || parent.type === "ConditionalExpression") && parent.test === node;
}
