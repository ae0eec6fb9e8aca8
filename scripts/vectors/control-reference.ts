import {
  BASE,
  challenge,
  encode,
  fromLittleEndian,
  L,
  littleEndian,
  multiply,
  scalarOf,
} from "./edwards25519.ts";
import { fixed, TS } from "./fixed.ts";
import { type UserNkey, userNkey } from "./nkey.ts";
import { base64url, lp, sha256 } from "./reference.ts";

/*
 * Control documents and leases: a second implementation of docs/spec/control-v1.md. It refuses nothing: it also signs what a
 * controller must not sign.
 */

export const CONTROLLER_SEED = fixed("controller", 32);
export const CONTROLLER = userNkey(CONTROLLER_SEED);
export const STRANGER = userNkey(fixed("another controller", 32));

/** The head of each file: the reader, and the key. */
export const READER = {
  env: "dev",
  public_key: CONTROLLER.publicKey,
  private_key: CONTROLLER_SEED.toString("hex"),
};

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };

/** RFC 8785 for the values of the vectors: integers below 10^21, short fractions, and texts without lone surrogates. */
export function jcs(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(jcs).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${jcs(value[name] as Json)}`).join(",")}}`;
}

export interface Signing {
  readonly kind?: string;
  readonly env?: string;
  readonly by?: UserNkey;
}

export function signedBytes(payload: string, { kind = "state", env = "dev" }: Signing = {}): Buffer {
  return Buffer.concat([lp(`scbe/v1/${kind}`), lp(env), Buffer.from(payload)]);
}

export function signatureOf(payload: string, signing: Signing = {}): string {
  return base64url((signing.by ?? CONTROLLER).sign(signedBytes(payload, signing)));
}

/** The members of a message with a valid signature of any payload. */
export function signed(
  payload: string,
  signing?: Signing,
): { v: number; payload: string; signature: string } {
  return { v: 1, payload, signature: signatureOf(payload, signing) };
}

/** The message of the same payload with another valid signature of the controller, with another R. */
export function signedOtherwise(payload: string): string {
  const nonce = fromLittleEndian(fixed("another R of the controller", 32)) % L;
  const r = encode(multiply(nonce, BASE));
  const s = (nonce + challenge(r, CONTROLLER.raw, signedBytes(payload)) * scalarOf(CONTROLLER_SEED)) % L;
  return jcs({ v: 1, payload, signature: base64url(Buffer.concat([r, littleEndian(s)])) });
}

export function digestOf(payload: string): string {
  return base64url(sha256(Buffer.from(payload)));
}

/** A document with nothing switched off, changed by `change`. */
export function stateOf(change: Change = {}): JsonObject {
  const state = {
    v: 1,
    env: "dev",
    generation: TS,
    issued_at: TS,
    kill_switch: { all: null, providers: {} },
    scbe_envelope_verification: { enabled: true, providers: {} },
    fallback: { causes: [] },
    skew_window: null,
    ...change,
  };
  return cut(state);
}

/** A document of the controller. */
export interface Document {
  readonly payload: string;
  readonly digest: string;
  readonly generation: number;
  readonly signed: ReturnType<typeof signed>;
  readonly message: string;
}

export function documentOf(change: Change = {}, signing?: Signing): Document {
  const state = stateOf(change);
  const payload = jcs(state);
  const message = signed(payload, signing);
  return {
    ...{ payload, digest: digestOf(payload), generation: state.generation as number },
    ...{ signed: message, message: jcs(message) },
  };
}

export const KILL = { cause: "integrity", reason: "nonce reuse", by: "security event", since: TS };
export const SOFT = { ...KILL, cause: "availability", reason: "slow", by: "alert:SCBELatency" };

export function killing(all: Json, providers: JsonObject = {}): { kill_switch: Json } {
  return { kill_switch: { all, providers } };
}

export function flagging(enabled: boolean, providers: JsonObject = {}): { scbe_envelope_verification: Json } {
  return { scbe_envelope_verification: { enabled, providers } };
}

export function choosing(...causes: string[]): { fallback: Json } {
  return { fallback: { causes } };
}

/** Members that differ from the defaults; `undefined` removes one. */
export type Change = Readonly<Record<string, Json | undefined>>;

/** The members that are present. */
export function cut(members: Change): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as JsonObject;
}

/** A given number of provider names. */
export function names(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `provider-${at}`);
}

/** An object with the same value under each name. */
export function each(all: readonly string[], value: Json): JsonObject {
  return Object.fromEntries(all.map((name) => [name, value]));
}
