import type { AnyNode } from "acorn";

/** One change of a node of a source. */
export interface Change {
  readonly operator: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

/** A node and its surroundings. */
export interface Place {
  readonly node: AnyNode;
  /** Its ancestors, the nearest first. */
  readonly above: readonly AnyNode[];
  /** True in a file that imports zod. */
  readonly hasSchemas: boolean;
  /** The functions of the file that return a function. */
  readonly makers: ReadonlySet<string>;
  /** The source text of a node. */
  text(node: AnyNode): string;
}

/** All changes of one kind at a place. */
export type Operator = (place: Place) => Change[];

/** The node replaced by each of the texts. */
export function replaced(operator: string, node: AnyNode, ...replacements: readonly string[]): Change[] {
  return replacements.map((replacement) => ({ operator, start: node.start, end: node.end, replacement }));
}

/** The name of the callee of a call: `f(x)`, `a.f(x)` and `this.#f(x)` are all calls of `f`. */
export function calledName(node: AnyNode): string {
  if (node.type !== "CallExpression") return "";
  const { callee } = node;
  const named = callee.type === "MemberExpression" && !callee.computed ? callee.property : callee;
  return named.type === "Identifier" || named.type === "PrivateIdentifier" ? named.name : "";
}

/** The text of a node in place of the expression that it was a part of. */
export function alone(node: AnyNode, { text }: Pick<Place, "text">): string {
  return /^(\{|function|class)/.test(text(node)) ? `(${text(node)})` : text(node);
}

const TIGHT =
  /^(Identifier|Literal|TemplateLiteral|MemberExpression|CallExpression|ThisExpression|ParenthesizedExpression)$/;

/** The text of a node as an operand of any operator. */
export function operand(node: AnyNode, { text }: Pick<Place, "text">): string {
  return TIGHT.test(node.type) ? text(node) : `(${text(node)})`;
}
