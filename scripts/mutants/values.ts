import type { AnyNode } from "acorn";
import { mutate } from "weapon-regex";
import { type Change, calledName, type Operator, operand, type Place, replaced } from "./change.ts";

const ARITHMETIC: Readonly<Record<string, string>> = {
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "**": "*",
  "<<": ">>",
  ">>": "<<",
  ">>>": "<<",
  "&": "|",
  "|": "&",
  "^": "&",
};

/** Literals, arithmetic, lists and patterns. */
export const values: Operator = (place) => {
  const { node, text } = place;
  switch (node.type) {
    case "Literal":
      return literal(node, place);
    case "BinaryExpression": {
      const other = ARITHMETIC[node.operator];
      if (other === undefined) return [];
      const [left, right] = [operand(node.left as AnyNode, place), operand(node.right, place)];
      const dropped = node.operator === "+" ? [left, right] : [left];
      return [
        ...replaced("arithmetic", node, `(${left} ${other} ${right})`),
        ...replaced("operand dropped", node, ...dropped),
      ];
    }
    case "TemplateLiteral":
      return [
        ...node.expressions.flatMap((part) => replaced("part dropped", part, '""')),
        ...node.quasis
          .filter((part) => part.end > part.start)
          .flatMap((part) => replaced("part dropped", part, "")),
      ];
    case "ArrayExpression":
      return node.elements.map((_, dropped) => ({
        ...{ operator: "element dropped", start: node.start, end: node.end },
        replacement: `[${node.elements.flatMap((item, at) => (item && at !== dropped ? [text(item)] : [])).join(", ")}]`,
      }));
    default:
      return [];
  }
};

function literal(node: AnyNode & { type: "Literal" }, { above, text }: Place): Change[] {
  const { value } = node;
  if (isName(node, above[0])) return [];
  if (typeof value === "boolean") return replaced("boolean", node, String(!value));
  if (typeof value === "number") {
    // Any number wipes.
    if (above[0] && calledName(above[0]) === "fill") return [];
    return replaced("number", node, `(${text(node)} + 1)`, `(${text(node)} - 1)`);
  }
  if (node.regex) return pattern(node, node.regex.pattern, node.regex.flags);
  if (typeof value !== "string") return [];
  const changed = replaced("text changed", node, JSON.stringify(`${value}~`));
  return value === "" ? changed : [...changed, ...replaced("text emptied", node, '""')];
}

/** A literal that names a module or a member, or a directive. */
function isName(node: AnyNode, parent: AnyNode | undefined): boolean {
  if (parent?.type === "Property" || parent?.type === "PropertyDefinition")
    return parent.key === node && !parent.computed;
  return /^(Import|Export)|^ExpressionStatement$/.test(parent?.type ?? "");
}

/** Changes without an effect on matches, and anchors that JavaScript does not have. */
const NOT_MUTATED = /reluctant|non-capturing|of input/;

function pattern(node: AnyNode, source: string, flags: string): Change[] {
  const changed = mutate(source, flags)
    .filter(({ name, pattern: text }) => !NOT_MUTATED.test(name) && isPattern(text, flags))
    .map((mutant) => `/${mutant.pattern}/${flags}`);
  const added = ["m", ...(isOfOneCase(source) ? ["i"] : [])].filter((flag) => !flags.includes(flag));
  const flagged = added.map((flag) => `/${source}/${flags}${flag}`);
  return replaced("pattern", node, ...new Set([...changed, ...flagged]));
}

/** False if every letter matches in both cases, so that ignoring the case has no effect. */
function isOfOneCase(source: string): boolean {
  return /[a-z]/i.test(source.replaceAll("A-Za-z", "").replace(/\\(x[0-9a-f]{2}|[a-z])/gi, ""));
}

function isPattern(text: string, flags: string): boolean {
  try {
    return new RegExp(text, flags).source !== "";
  } catch {
    return false;
  }
}
