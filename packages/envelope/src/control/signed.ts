import { type Environment, jcs, readCanonical, type Schema } from "@scbe/contracts";
import { type Identity, verifyNkey } from "../grant/nkey.ts";
import { encodeBase64Url, lp } from "../wire.ts";

/** A payload in RFC 8785 form, and the controller's signature over it. */
export interface Signed {
  readonly payload: string;
  /** base64url of 64 bytes, which the schema of the message checks. */
  readonly signature: string;
}

export function sign(kind: ControlKind, env: Environment, value: unknown, identity: Identity): Signed {
  const payload = jcs(value);
  return { payload, signature: encodeBase64Url(identity.sign(controlBytes(kind, env, payload))) };
}

export type SignedReading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: "malformed" | "signature" };

/** The value that the controller signed as `kind`, for `env`. Its form is checked first: malformed claims cost no signature check. */
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
  /** The controller's public nkey, from the configuration. */
  readonly publicKey: string;
  readonly schema: Schema<T>;
}

/** The kinds of signed values. A signature of one kind is not valid for another. */
export type ControlKind = "state" | "lease";

/** The bytes that the controller signs: `LP("scbe/v1/" + kind) LP(env) || payload`, with the payload in RFC 8785 form. */
export function controlBytes(kind: ControlKind, env: Environment, payload: string): Buffer {
  return Buffer.concat([lp(`scbe/v1/${kind}`, env), Buffer.from(payload, "utf8")]);
}
