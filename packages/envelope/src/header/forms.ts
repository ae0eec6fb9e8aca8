import {
  base64UrlPattern,
  ENVIRONMENTS,
  MODEL_PATTERN,
  NAME_PATTERN,
  REQUEST_ID_PATTERN,
  ScbeError,
} from "@scbe/contracts";
import { type Phase, SUITE, VERSION } from "./header.ts";

/** True for a legal value of a member. */
export type Form = (value: unknown) => boolean;

/** The largest `ttl` of any configuration, in seconds. */
export const TTL_SECONDS_MAX = 3600;

const BASE64URL_12 = base64UrlPattern(12);
const BASE64URL_16 = base64UrlPattern(16);
const BASE64URL_24 = base64UrlPattern(24);
const BASE64URL_32 = base64UrlPattern(32);
/** Printable ASCII without `"` and `\`: no character that JSON escapes. */
const CONTENT_TYPE = /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,128}$/;
const SCHEMA_HASH = /^(sha256:[0-9a-f]{64}|none)$/;

const TS_MIN = 10 ** 12;
const TS_MAX = 10 ** 13 - 1;
const SEQ_MAX = 2 ** 31 - 1;

/** Every member of headers, and its exact form (docs/spec/envelope-v1.md, "Header"). */
export const FORMS = {
  commitment: matches(BASE64URL_32),
  content_type: matches(CONTENT_TYPE),
  env: (value) => (ENVIRONMENTS as readonly unknown[]).includes(value),
  epoch: matches(BASE64URL_16),
  final: integer(0, 1),
  in_reply_to: matches(BASE64URL_32),
  intent: matches(NAME_PATTERN),
  kid: matches(NAME_PATTERN),
  model: matches(MODEL_PATTERN),
  nonce: matches(BASE64URL_12),
  phase: (value) => value === "request" || value === "response",
  provider: matches(NAME_PATTERN),
  replay_nonce: matches(BASE64URL_24),
  request_id: matches(REQUEST_ID_PATTERN),
  schema_hash: matches(SCHEMA_HASH),
  seq: integer(0, SEQ_MAX),
  session_id: matches(BASE64URL_32),
  suite: (value) => value === SUITE,
  ts: integer(TS_MIN, TS_MAX),
  ttl: integer(1, TTL_SECONDS_MAX),
  v: (value) => value === VERSION,
} as const satisfies Record<string, Form>;

export type Member = keyof typeof FORMS;

/** The text forms of members that vary within a session and have a fixed width. The patterns have no groups. */
export const SLOT_PATTERNS: Readonly<Partial<Record<Member, RegExp>>> = {
  in_reply_to: BASE64URL_32,
  nonce: BASE64URL_12,
  replay_nonce: BASE64URL_24,
  request_id: REQUEST_ID_PATTERN,
  ts: /^[1-9]\d{12}$/,
};

const COMMON: readonly Member[] = [
  "commitment",
  "content_type",
  "env",
  "intent",
  "kid",
  "model",
  "nonce",
  "phase",
  "provider",
  "replay_nonce",
  "request_id",
  "schema_hash",
  "session_id",
  "suite",
  "ts",
  "ttl",
  "v",
];

/** The members of each kind of header: exactly these. */
export const MEMBERS: Readonly<Record<Phase | "chunk", readonly Member[]>> = {
  request: [...COMMON, "epoch"],
  response: [...COMMON, "in_reply_to"],
  chunk: [...COMMON, "in_reply_to", "seq", "final"],
};

function matches(pattern: RegExp): Form {
  return (value) => typeof value === "string" && pattern.test(value);
}

function integer(min: number, max: number): Form {
  return (value) => Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;
}

/** @throws ScbeError BAD_REQUEST that names the first member with an illegal value, but never the value */
export function assertLegal(members: Readonly<Partial<Record<Member, unknown>>>): void {
  for (const [member, value] of Object.entries(members)) {
    if (!FORMS[member as Member](value)) {
      throw new ScbeError("BAD_REQUEST", `this ${member} is not allowed in an envelope's header`);
    }
  }
}
