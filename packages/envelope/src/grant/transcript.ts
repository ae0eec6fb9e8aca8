import { createHash } from "node:crypto";
import { type GrantMeta, type GrantRequest, jcs } from "@scbe/contracts";
import { lp } from "../lp.ts";

/** The members of a question that its bytes are made of. */
export type QuestionFacts = Pick<GrantRequest, "env" | "provider" | "intent" | "kid" | "asker">;

/**
 * Q, the bytes that the asker signs and that HPKE takes as `info`:
 * `LP("scbe/v1/grant-q") LP(env) LP(provider) LP(intent) LP(kid) LP(asker) LP(public key)`, with an empty kid for the
 * active one, the asker's nkey as its text, and the fresh X25519 public key as its 32 bytes.
 */
export function questionBytes(facts: QuestionFacts, publicKey: Uint8Array): Buffer {
  return lp("scbe/v1/grant-q", facts.env, facts.provider, facts.intent, facts.kid, facts.asker, publicKey);
}

/**
 * The bytes that the keyring signs: `LP("scbe/v1/grant-a") SHA-256(Q) LP(enc) LP(ct) LP(meta in RFC 8785 form)`. The
 * hash has one length, so it goes without LP. As Q holds a key that was drawn for it alone, an answer fits one question.
 */
export function answerBytes(q: Uint8Array, enc: Uint8Array, ct: Uint8Array, meta: GrantMeta): Buffer {
  const questionHash = createHash("sha256").update(q).digest();
  return Buffer.concat([lp("scbe/v1/grant-a"), questionHash, lp(enc, ct, jcs(meta))]);
}

/** The bytes that a keyring signs of the ring that it stores: `LP("scbe/v1/ring-record") || ring`, the ring to its end. */
export function ringRecordBytes(ring: Uint8Array): Buffer {
  return Buffer.concat([lp("scbe/v1/ring-record"), ring]);
}

/** The bytes that the keyring signs for a broadcast of its ring: `LP("scbe/v1/ring") LP(payload)`. */
export function ringBytes(payload: string): Buffer {
  return lp("scbe/v1/ring", payload);
}
