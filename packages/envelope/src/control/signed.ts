import type { Environment } from "@scbe/contracts";
import { decodeBase64Url, encodeBase64Url } from "../base64url.ts";
import type { Identity } from "../grant/identity.ts";
import { verifyNkey } from "../grant/verify-nkey.ts";
import { jcs } from "../jcs.ts";
import { type ControlKind, controlBytes } from "./transcript.ts";

const SIGNATURE_BYTES = 64;

/** A payload in RFC 8785 form, and the controller's signature over it. */
export interface Signed {
  readonly payload: string;
  readonly signature: string;
}

export function sign(kind: ControlKind, env: Environment, value: unknown, identity: Identity): Signed {
  const payload = jcs(value);
  return { payload, signature: encodeBase64Url(identity.sign(controlBytes(kind, env, payload))) };
}

export type SignedReading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: "malformed" | "signature" };

/** What the controller has signed as `kind`, for `env`. The signature is checked before anything is parsed. */
export function readSigned<T>(
  { payload, signature }: Signed,
  { kind, env, publicKey, schema }: SignedExpectation<T>,
): SignedReading<T> {
  const bytes = decodeBase64Url(signature, SIGNATURE_BYTES);
  if (bytes === undefined) return { ok: false, reason: "malformed" };
  if (!verifyNkey(publicKey, controlBytes(kind, env, payload), bytes))
    return { ok: false, reason: "signature" };
  const value = parseCanonical(payload, schema);
  return value === undefined ? { ok: false, reason: "malformed" } : { ok: true, value };
}

export interface SignedExpectation<T> {
  readonly kind: ControlKind;
  readonly env: Environment;
  /** The controller's public nkey, known beforehand. */
  readonly publicKey: string;
  /** Throws on what is none. */
  readonly schema: { parse(value: unknown): T };
}

function parseCanonical<T>(payload: string, schema: SignedExpectation<T>["schema"]): T | undefined {
  try {
    const value = schema.parse(JSON.parse(payload));
    return jcs(value) === payload ? value : undefined;
  } catch {
    return undefined;
  }
}
