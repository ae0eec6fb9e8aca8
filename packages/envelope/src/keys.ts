import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { ScbeError } from "@scbe/contracts";
import { type Phase, SUITE } from "./header/header.ts";
import { lp } from "./wire.ts";

/** The scope of a subkey: each context has its own, and none can be derived from another's. */
export interface KeyContext {
  readonly env: string;
  readonly provider: string;
  readonly intent: string;
}

/** For sealing and opening, for nonce prefixes, and for MACs and pseudonyms of the audit log. */
export type SubkeyName = "k_enc" | "k_nonce" | "k_log";

export const SUBKEY_BYTES = 32;
const SUBKEY_SALT = "scbe/v1";

/** `HKDF(ikm, "scbe/v1", LP(name) LP(env) LP(provider) LP(intent), 32)`; 32 bytes, which the caller zeroes. */
export function deriveSubkey(name: SubkeyName, ikm: KeyObject, context: KeyContext): Buffer {
  const { env, provider, intent } = context;
  return hkdfSha256(ikm, SUBKEY_SALT, lp(name, env, provider, intent), SUBKEY_BYTES);
}

/** The material of a grant: `k_enc || k_nonce`, 64 bytes, which the caller zeroes. */
export function deriveGrantMaterial(ikm: KeyObject, context: KeyContext): Buffer {
  const parts = [deriveSubkey("k_enc", ikm, context), deriveSubkey("k_nonce", ikm, context)];
  const material = Buffer.concat(parts);
  for (const part of parts) part.fill(0);
  return material;
}

/** The subkeys of one (kid, env, provider, intent). KeyObjects are fast and cannot be printed by accident. */
export interface Subkeys extends KeyContext {
  readonly kid: string;
  readonly encKey: KeyObject;
  readonly nonceKey: KeyObject;
}

/**
 * Imports the material of a grant, `k_enc || k_nonce`, and zeroes it, also if it throws.
 * @throws ScbeError BAD_REQUEST if the material is not 64 bytes
 */
export function importSubkeys(names: KeyContext & { readonly kid: string }, material: Uint8Array): Subkeys {
  if (material.length !== 2 * SUBKEY_BYTES) {
    material.fill(0);
    throw new ScbeError("BAD_REQUEST", "a grant's material is k_enc and k_nonce, 64 bytes");
  }
  const { env, provider, intent, kid } = names;
  const encKey = createSecretKey(material.subarray(0, SUBKEY_BYTES));
  const nonceKey = createSecretKey(material.subarray(SUBKEY_BYTES));
  material.fill(0);
  return { env, provider, intent, kid, encKey, nonceKey };
}

export const SESSION_ID_BYTES = 32;
export const COMMITMENT_BYTES = 32;
export const PREFIX_BYTES = 8;
const SESSION_SALT = "scbe/v1/session";

/** The AES-256 key of a session, and the part of the nonce that its messages share. */
export interface SessionKeys {
  readonly key: KeyObject;
  /** 8 bytes. */
  readonly prefix: Uint8Array;
}

/** A public commitment to `k_enc`, 32 bytes: the GCM tag does not commit to the key. */
export function deriveCommitment(subkeys: Subkeys, phase: Phase, sessionId: Uint8Array): Buffer {
  return hkdfSha256(subkeys.encKey, SESSION_SALT, info("commit", phase, sessionId), COMMITMENT_BYTES);
}

/** @param sessionId 32 bytes: the minute of the session's start (u32, big-endian) and 28 random bytes */
export function deriveSessionKeys(subkeys: Subkeys, phase: Phase, sessionId: Uint8Array): SessionKeys {
  const raw = hkdfSha256(subkeys.encKey, SESSION_SALT, info("session", phase, sessionId), 32);
  const key = createSecretKey(raw);
  raw.fill(0);
  const prefix = hkdfSha256(subkeys.nonceKey, SESSION_SALT, info("prefix", phase, sessionId), PREFIX_BYTES);
  return { key, prefix };
}

function info(purpose: string, phase: Phase, sessionId: Uint8Array): Uint8Array {
  return Buffer.concat([lp(purpose, SUITE, phase), sessionId]);
}

/** HKDF with SHA-256, extract and expand (RFC 5869): the only key derivation of SCBE. The caller zeroes the result. */
export function hkdfSha256(
  ikm: KeyObject | Uint8Array,
  salt: string | Uint8Array,
  info: Uint8Array,
  length: number,
): Buffer {
  return Buffer.from(hkdfSync("sha256", ikm, salt, info, length));
}
