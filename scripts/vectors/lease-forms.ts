import {
  type Change,
  cut,
  type Document,
  documentOf,
  type JsonObject,
  jcs,
  KILL,
  killing,
  signed,
} from "./control-reference.ts";
import { fixed, REQUEST_ID, TS } from "./fixed.ts";
import { base64url } from "./reference.ts";

export const MAX = 9_000_000_000_000_000;
export const NONCE = base64url(fixed("lease nonce", 16));
export const OTHER_NONCE = base64url(fixed("another lease nonce", 16));
export const [DOCUMENT, LATER] = [documentOf(), documentOf({ generation: TS + 1, ...killing(KILL) })];
export const DIGEST = DOCUMENT.digest;
/** Not a document: 1 character too long for the form. */
export const TOO_LONG = signed("x".repeat(32_769));

export function held({ generation, digest }: Document): JsonObject {
  return { generation, digest };
}

export function questionOf(change: Change = {}): JsonObject {
  const question = { v: 1, nonce: NONCE, verifier: REQUEST_ID, held: held(DOCUMENT), fallback: false };
  return cut({ ...question, ...change });
}

export function leaseOf(document: Document, change: Change = {}): JsonObject {
  return cut({ nonce: NONCE, ...held(document), ...change });
}

/** The reply that names the document, and holds it if requested. */
export function answerOf(document: Document, { bring = false, nonce = NONCE } = {}): string {
  const answer = signed(jcs(leaseOf(document, { nonce })), { kind: "lease" });
  return jcs({ ...answer, ...(bring && { state: document.signed }) });
}

/** Other forms of a base64url text. */
export function digestLike(
  rule: string,
  what: string,
  right: string,
  last: string,
  set: (value: string) => Change,
  bad: (rule: string, name: string, change: Change) => object,
): object[] {
  return [
    bad(rule, `${what} one character short`, set(right.slice(1))),
    bad(rule, `${what} one character long`, set(`A${right}`)),
    bad(rule, `${what} with padding`, set(`${right}=`)),
    bad(rule, `${what} whose last bits are not zero`, set(right.slice(0, -1) + last)),
    bad(rule, `${what} with a character of base64`, set(`+${right.slice(1)}`)),
    bad(rule, `${what} with a line feed at its end`, set(`${right}\n`)),
  ];
}
