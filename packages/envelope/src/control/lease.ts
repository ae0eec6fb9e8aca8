import { Lease, LeaseAnswer, type LeaseRequest, readMessage } from "@scbe/contracts";
import type { Identity } from "../grant/nkey.ts";
import type { ControlDocument, ControlExpectation } from "./control-document.ts";
import { readSigned, sign } from "./signed.ts";

/**
 * The controller's answer to a lease request: the nonce, and the document in force. The document itself is included if the verifier
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

/** The reason is the first check that failed, in this order: form, signature, nonce. */
export type LeaseReading =
  | { readonly ok: true; readonly lease: Lease; readonly answer: LeaseAnswer }
  | { readonly ok: false; readonly reason: "malformed" | "signature" | "nonce" };

/**
 * Reads the answer (JSON of a {@link LeaseAnswer}) to the request with this nonce. A recorded, delayed or replayed answer does not have
 * a fresh nonce.
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
