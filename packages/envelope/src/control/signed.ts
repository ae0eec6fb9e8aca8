import { type Environment, jcs, readCanonical, type Schema } from "@scbe/contracts";
import { encodeBase64Url } from "../base64url.ts";
import type { Identity } from "../grant/identity.ts";
import { verifyNkey } from "../grant/verify-nkey.ts";
import { type ControlKind, controlBytes } from "./transcript.ts";

/** A payload in RFC 8785 form, and the controller's signature over it. */
export interface Signed {
  readonly payload: string;
  /** base64url of 64 bytes: the schema of the message has checked it. */
  readonly signature: string;
}

export function sign(kind: ControlKind, env: Environment, value: unknown, identity: Identity): Signed {
  const payload = jcs(value);
  return { payload, signature: encodeBase64Url(identity.sign(controlBytes(kind, env, payload))) };
}

export type SignedReading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: "malformed" | "signature" };

/** What the controller has signed as `kind`, for `env`. Its form is checked first: a claim that is none costs no signature. */
export function readSigned<T>(
  { payload, signature }: Signed,
  { kind, env, publicKey, schema }: SignedExpectation<T>,
): SignedReading<T> {
  const value = readCanonical(payload, schema);
  if (value === undefined) return { ok: false, reason: "malformed" };
  const bytes = Buffer.from(signature, "base64url");
  const isGenuine = verifyNkey(publicKey, controlBytes(kind, env, payload), bytes);
  return isGenuine ? { ok: true, value } : { ok: false, reason: "signature" };
}

export interface SignedExpectation<T> {
  readonly kind: ControlKind;
  readonly env: Environment;
  /** The controller's public nkey, known beforehand. */
  readonly publicKey: string;
  readonly schema: Schema<T>;
}
