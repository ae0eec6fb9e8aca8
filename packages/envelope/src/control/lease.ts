import { Lease, LeaseAnswer, type LeaseRequest, readMessage } from "@scbe/contracts";
import type { Identity } from "../grant/identity.ts";
import type { ControlDocument, ControlExpectation } from "./control-document.ts";
import { readSigned, sign } from "./signed.ts";

/**
 * Answers a verifier's question as the controller: the nonce, and what is in force. The document comes with it where the verifier
 * holds another one.
 */
export function answerLease(
  { nonce, held }: LeaseRequest,
  { state, digest, signed }: ControlDocument,
  identity: Identity,
): LeaseAnswer {
  const { env, generation } = state;
  const lease: Lease = { nonce, generation, digest };
  const isHeld = held?.generation === generation && held.digest === digest;
  return { v: 1, ...sign("lease", env, lease, identity), ...(!isHeld && { state: signed }) };
}

/** The reason is that of the first check that failed, in this order: its form, the signature, the nonce. */
export type LeaseReading =
  | { readonly ok: true; readonly lease: Lease; readonly answer: LeaseAnswer }
  | { readonly ok: false; readonly reason: "malformed" | "signature" | "nonce" };

/**
 * Reads the answer (JSON of a {@link LeaseAnswer}) to the question with this nonce. What was recorded, delayed or repeated has not a
 * nonce that was drawn just now.
 */
export function readLease(
  bytes: Uint8Array,
  nonce: string,
  { env, publicKey }: ControlExpectation,
): LeaseReading {
  const answer = readMessage(bytes, LeaseAnswer, ANSWER_BYTES_MAX);
  if (answer === undefined) return { ok: false, reason: "malformed" };
  const read = readSigned(answer, { kind: "lease", env, publicKey, schema: Lease });
  if (!read.ok) return read;
  return read.value.nonce === nonce
    ? { ok: true, lease: read.value, answer }
    : { ok: false, reason: "nonce" };
}

const ANSWER_BYTES_MAX = 262_144;
