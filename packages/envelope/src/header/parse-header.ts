import { jcs } from "@scbe/contracts";
import { FORMS, MEMBERS, type Member } from "./forms.ts";
import { type Header, SUITE, VERSION } from "./header.ts";

/**
 * `malformed`: no JSON object. `not_canonical`: not in the one form that RFC 8785 gives it (so a member that stands
 * twice, too). `version`: another version or suite. `members`: some are missing, unknown or of another form.
 */
export type HeaderProblem = "malformed" | "not_canonical" | "version" | "members";

export type ParsedHeader =
  | { readonly ok: true; readonly header: Header }
  | { readonly ok: false; readonly reason: HeaderProblem };

/**
 * Reads a header that nobody has vouched for yet. The text itself is what is authenticated; it is accepted only if parsing
 * it and canonicalising the result gives the same text again, so that no two parsers can read it differently.
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

/** What the canonicaliser cannot write (an infinity, a lone surrogate) is not canonical. */
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
