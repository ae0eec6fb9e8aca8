import { type Environment, Lease, LeaseAnswer, type LeaseQuestion } from "@scbe/contracts";
import type { Identity } from "../grant/identity.ts";
import type { ControlDocument } from "./control-document.ts";
import { readSigned, sign } from "./signed.ts";

/**
 * Answers a verifier's question as the controller: the nonce, and what is in force. The document comes with it where the verifier
 * holds another one.
 */
export function answerLease(
  { nonce, held }: LeaseQuestion,
  { state, digest, signed }: ControlDocument,
  identity: Identity,
): LeaseAnswer {
  const { env, generation } = state;
  const lease: Lease = { nonce, generation, digest };
  const isHeld = held?.generation === generation && held.digest === digest;
  return { v: 1, ...sign("lease", env, lease, identity), ...(!isHeld && { state: signed }) };
}

/**
 * The lease in an answer (JSON of a {@link LeaseAnswer}) to the question with this nonce; `undefined` when it is none. Nobody
 * who records, delays or repeats answers has one for a nonce that was drawn just now.
 */
export function readLease(
  bytes: Uint8Array,
  nonce: string,
  { env, publicKey }: { readonly env: Environment; readonly publicKey: string },
): { readonly lease: Lease; readonly answer: LeaseAnswer } | undefined {
  const answer = parse(bytes);
  if (answer === undefined) return undefined;
  const read = readSigned(answer, { kind: "lease", env, publicKey, schema: Lease });
  return read.ok && read.value.nonce === nonce ? { lease: read.value, answer } : undefined;
}

const ANSWER_BYTES_MAX = 128 * 1024;

function parse(bytes: Uint8Array): LeaseAnswer | undefined {
  if (bytes.length > ANSWER_BYTES_MAX) return undefined;
  try {
    return LeaseAnswer.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    return undefined;
  }
}
