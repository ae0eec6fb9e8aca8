import { jcs } from "@scbe/contracts";
import { FORMS, MEMBERS, type Member } from "./forms.ts";
import { type Header, SUITE, VERSION } from "./header.ts";

/**
 * `malformed`: not a JSON object. `not_canonical`: not its RFC 8785 form, for example because of a repeated member. `version`: another
 * version or suite. `members`: some are missing, unknown or of another form.
 */
export type HeaderProblem = "malformed" | "not_canonical" | "version" | "members";

export type ParsedHeader =
  | { readonly ok: true; readonly header: Header }
  | { readonly ok: false; readonly reason: HeaderProblem };

/**
 * Parses an unverified header. Its text is authenticated later; it is accepted only if parsing and canonicalizing give the same text
 * again, so that two parsers cannot read it differently.
 * @param text one character for each byte
 */
export function parseHeader(text: string): ParsedHeader {
  const value = parseObject(text);
  if (value === undefined) return { ok: false, reason: "malformed" };
  if (!isCanonical(value, text)) return { ok: false, reason: "not_canonical" };
  if (value.v !== VERSION || value.suite !== SUITE) return { ok: false, reason: "version" };
  if (!hasExactly(value, membersOf(value))) return { ok: false, reason: "members" };
  return { ok: true, header: value as unknown as Header };
}

type Json = Readonly<Record<string, unknown>>;

function parseObject(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** Values that cannot be canonicalized (an infinity, a lone surrogate) are not canonical. */
function isCanonical(value: Json, text: string): boolean {
  try {
    return jcs(value) === text;
  } catch {
    return false;
  }
}

function membersOf(value: Json): readonly Member[] {
  if (value.phase === "request") return MEMBERS.request;
  return Object.hasOwn(value, "seq") || Object.hasOwn(value, "final") ? MEMBERS.chunk : MEMBERS.response;
}

function hasExactly(value: Json, members: readonly Member[]): boolean {
  return (
    Object.keys(value).length === members.length &&
    members.every((member) => Object.hasOwn(value, member) && FORMS[member](value[member]))
  );
}
