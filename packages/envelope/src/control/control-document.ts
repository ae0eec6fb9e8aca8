import { createHash } from "node:crypto";
import {
  ControlState,
  type Environment,
  type Kill,
  readCanonical,
  readMessage,
  SignedControl,
  writeMessage,
} from "@scbe/contracts";
import { encodeBase64Url } from "../base64url.ts";
import type { Identity } from "../grant/identity.ts";
import { modeOf } from "./route.ts";
import { readSigned, sign } from "./signed.ts";

/** A control document that its reader has verified. */
export interface ControlDocument {
  readonly state: ControlState;
  /** base64url of the SHA-256 of its RFC 8785 form. */
  readonly digest: string;
  /** As it was signed: to be passed on, and to be kept. */
  readonly signed: SignedControl;
}

/** Signs a state as the controller. */
export function signControl(state: ControlState, identity: Identity): ControlDocument {
  const signed: SignedControl = { v: 1, ...sign("state", state.env, state, identity) };
  return { state, digest: digestOf(signed.payload), signed };
}

/** What a message says that it is. Nothing of it is true before {@link verifyControl} has said so. */
export type ClaimedControl = ControlDocument & { readonly isClaim: true };

/** The claim in `bytes` (JSON of a {@link SignedControl}), to see by {@link supersedes} whether it is worth verifying. */
export function claimedControl(bytes: Uint8Array): ClaimedControl | undefined {
  const signed = readMessage(bytes, SignedControl, DOCUMENT_BYTES_MAX);
  return signed && claimOf(signed);
}

/** As {@link claimedControl}, of what was parsed already. */
export function claimOf(signed: SignedControl): ClaimedControl | undefined {
  const state = readCanonical(signed.payload, ControlState);
  return state && { state, digest: digestOf(signed.payload), signed, isClaim: true };
}

/** What a control document is checked against. */
export interface ControlExpectation {
  readonly env: Environment;
  /** The controller's public nkey, known beforehand. */
  readonly publicKey: string;
}

/** The reason is that of the first check that failed, in this order: its form, the signature, the environment that it names. */
export type ControlReading =
  | { readonly ok: true; readonly document: ControlDocument }
  | { readonly ok: false; readonly reason: "malformed" | "signature" | "env" };

/**
 * Reads a control document (JSON of a {@link SignedControl}) by docs/spec/control-v1.md. Whether it is news is the reader's to decide, by
 * {@link supersedes}.
 */
export function readControl(bytes: Uint8Array, expected: ControlExpectation): ControlReading {
  const signed = readMessage(bytes, SignedControl, DOCUMENT_BYTES_MAX);
  return signed === undefined ? { ok: false, reason: "malformed" } : verifyControl(signed, expected);
}

/** As {@link readControl}, of what was parsed already. */
export function verifyControl(signed: SignedControl, { env, publicKey }: ControlExpectation): ControlReading {
  const read = readSigned(signed, { kind: "state", env, publicKey, schema: ControlState });
  if (!read.ok) return read;
  if (read.value.env !== env) return { ok: false, reason: "env" };
  return { ok: true, document: { state: read.value, digest: digestOf(signed.payload), signed } };
}

/** As {@link verifyControl}; `undefined` for what is none, whatever the reason. */
export function verifiedControl(
  signed: SignedControl,
  expected: ControlExpectation,
): ControlDocument | undefined {
  const read = verifyControl(signed, expected);
  return read.ok ? read.document : undefined;
}

export function encodeControl({ signed }: ControlDocument): Uint8Array {
  return writeMessage(signed);
}

/**
 * True when `next` takes the place of `held`: a higher generation does; of two of the same, the one that refuses more, then the one
 * that kills more, and then the one whose digest is higher, so that all who have seen both agree.
 */
export function supersedes(next: ControlDocument, held: ControlDocument | undefined): boolean {
  if (held === undefined) return true;
  for (const weight of WEIGHTS) {
    const lead = weight(next.state) - weight(held.state);
    if (lead !== 0) return lead > 0;
  }
  return next.digest > held.digest;
}

/**
 * The generation, then how much a document takes out of the path, the weightiest first. What its kills refuse comes before what they send unsealed, so no
 * kill of the second kind takes the place of one of the first.
 */
const WEIGHTS: readonly ((state: ControlState) => number)[] = [
  (state) => state.generation,
  (state) => refusing(state, killsOfAll(state)).length,
  (state) => refusing(state, killsOfProviders(state)).length,
  (state) => killsOfAll(state).length,
  (state) => killsOfProviders(state).length,
  (state) => -state.fallback.causes.length,
];

function killsOfAll({ kill_switch: { all } }: ControlState): Kill[] {
  return all === null ? [] : [all];
}

function killsOfProviders({ kill_switch: { providers } }: ControlState): Kill[] {
  return Object.values(providers);
}

function refusing(state: ControlState, kills: readonly Kill[]): Kill[] {
  return kills.filter(({ cause }) => modeOf(state, cause) === "disabled");
}

/** A payload with every character escaped is shorter, with what is around it. */
const DOCUMENT_BYTES_MAX = 262_144;

function digestOf(payload: string): string {
  return encodeBase64Url(createHash("sha256").update(payload).digest());
}
