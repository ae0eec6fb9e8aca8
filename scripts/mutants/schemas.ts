import type { AnyNode, CallExpression, Property } from "acorn";
import { type Change, calledName, type Operator, type Place, replaced } from "./change.ts";

/** Members of a zod schema that accept less (or, the last two, more) than the schema before them. */
const CHECKS =
  /^(min|max|length|regex|refine|superRefine|int|positive|nonnegative|nonempty|gt|gte|lt|lte|multipleOf|startsWith|endsWith|includes|check|uuid|optional|nullable)$/;
const BOUNDS = /^(min|max|length|gt|gte|lt|lte)$/;

/** A schema that accepts more than the schema of that name. */
const WIDER: Readonly<Record<string, string>> = {
  literal: "z.any()",
  enum: "z.string()",
  int: "z.number()",
  boolean: "z.any()",
  string: "z.any()",
  uuid: "z.string()",
};

/** A required member with any form of its type, or any type. */
const ANY_FORM = ["z.string()", "z.number()", "z.unknown().refine((it) => it !== undefined)"];

/** zod schemas: checks dropped or moved, optional and nullable members, schemas that accept more. */
export const schemas: Operator = (place) => {
  const { node, hasSchemas, text } = place;
  if (!hasSchemas || node.type !== "CallExpression" || node.callee.type !== "MemberExpression") return [];
  const name = calledName(node);
  const { object } = node.callee;
  if (text(object) === "z") return root(node, name, place);
  if (!CHECKS.test(name) || text(object) === "Math") return [];
  const [bound] = node.arguments;
  const moved =
    BOUNDS.test(name) && bound !== undefined && bound.type !== "Literal"
      ? replaced("bound moved", bound, `(${text(bound)}) + 1`, `(${text(bound)}) - 1`)
      : [];
  return [...replaced("schema check dropped", node, text(object)), ...moved];
};

function root(node: CallExpression, name: string, place: Place): Change[] {
  const { text } = place;
  const wider = WIDER[name];
  const [first, second] = node.arguments;
  if (wider !== undefined) return replaced("schema widened", node, wider);
  if (name === "record" && first && second)
    return replaced("schema widened", node, `z.record(z.string(), ${text(second)})`);
  if (name !== "strictObject" || first?.type !== "ObjectExpression") return [];
  return [
    ...replaced("schema widened", node, `z.object(${text(first)})`),
    ...first.properties.flatMap((member, at) => [
      ...replaced("member dropped", first, `{ ${first.properties.toSpliced(at, 1).map(text).join(", ")} }`),
      ...(member.type === "Property" ? memberOf(member, place) : []),
    ]),
  ];
}

function memberOf(member: Property, { text }: Place): Change[] {
  const key = text(member.key);
  const value = text(member.value as AnyNode);
  const ways = ["optional", "nullable"].filter((way) => !value.endsWith(`.${way}()`));
  const widened = [...ways.map((way) => `${value}.${way}()`), ...ANY_FORM];
  return replaced("member widened", member, ...widened.map((schema) => `${key}: ${schema}`));
}
