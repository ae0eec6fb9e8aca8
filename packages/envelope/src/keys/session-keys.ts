import { createSecretKey, type KeyObject } from "node:crypto";
import type { Phase } from "../header/header.ts";
import { SUITE } from "../header/header.ts";
import { lp } from "../lp.ts";
import { hkdfSha256 } from "./hkdf.ts";
import type { Subkeys } from "./subkeys.ts";

export const SESSION_ID_BYTES = 32;
export const COMMITMENT_BYTES = 32;
export const PREFIX_BYTES = 8;
const SALT = "scbe/v1/session";

/** One session's: its AES-256 key, and the part of the nonce that its messages share. */
export interface SessionKeys {
  readonly key: KeyObject;
  /** 8 bytes */
  readonly prefix: Uint8Array;
}

/** Commits to `k_enc`, which GCM's tag does not: 32 bytes, public. */
export function deriveCommitment(subkeys: Subkeys, phase: Phase, sessionId: Uint8Array): Buffer {
  return hkdfSha256(subkeys.encKey, SALT, info("commit", phase, sessionId), COMMITMENT_BYTES);
}

/** @param sessionId 32 bytes: the minute of the session's start (u32, big-endian) and 28 random bytes */
export function deriveSessionKeys(subkeys: Subkeys, phase: Phase, sessionId: Uint8Array): SessionKeys {
  const raw = hkdfSha256(subkeys.encKey, SALT, info("session", phase, sessionId), 32);
  const key = createSecretKey(raw);
  raw.fill(0);
  const prefix = hkdfSha256(subkeys.nonceKey, SALT, info("prefix", phase, sessionId), PREFIX_BYTES);
  return { key, prefix };
}

function info(purpose: string, phase: Phase, sessionId: Uint8Array): Uint8Array {
  return Buffer.concat([lp(purpose, SUITE, phase), sessionId]);
}
