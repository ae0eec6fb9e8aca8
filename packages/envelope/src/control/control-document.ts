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
import type { Identity } from "../grant/nkey.ts";
import { encodeBase64Url } from "../wire.ts";
import { modeOf } from "./route.ts";
import { readSigned, sign } from "./signed.ts";

/** A verified control document. */
export interface ControlDocument {
  readonly state: ControlState;
  /** base64url of the SHA-256 of its RFC 8785 form. */
  readonly digest: string;
  /** As signed, for passing it on and storing it. */
  readonly signed: SignedControl;
}

/** Signs a state as the controller. */
export function signControl(state: ControlState, identity: Identity): ControlDocument {
  const signed: SignedControl = { v: 1, ...sign("state", state.env, state, identity) };
  return { state, digest: digestOf(signed.payload), signed };
}

/** The claim of a message, which {@link verifyControl} verifies. */
export type ClaimedControl = ControlDocument & { readonly isClaim: true };

/** The claim in `bytes` (JSON of a {@link SignedControl}); {@link supersedes} shows whether it is worth verifying. */
export function claimedControl(bytes: Uint8Array): ClaimedControl | undefined {
  const signed = readMessage(bytes, SignedControl, DOCUMENT_BYTES_MAX);
  return signed && claimOf(signed);
}

/** As {@link claimedControl}, for a parsed message. */
export function claimOf(signed: SignedControl): ClaimedControl | undefined {
  const state = readCanonical(signed.payload, ControlState);
  return state && { state, digest: digestOf(signed.payload), signed, isClaim: true };
}

/** The values that a control document is checked against. */
export interface ControlExpectation {
  readonly env: Environment;
  /** The controller's public nkey, from the configuration. */
  readonly publicKey: string;
}

/** The reason is the first check that failed, in this order: form, signature, environment. */
export type ControlReading =
  | { readonly ok: true; readonly document: ControlDocument }
  | { readonly ok: false; readonly reason: "malformed" | "signature" | "env" };

/**
 * Reads a control document (JSON of a {@link SignedControl}) by docs/spec/control-v1.md. The reader decides by {@link supersedes} whether
 * it is newer.
 */
export function readControl(bytes: Uint8Array, expected: ControlExpectation): ControlReading {
  const signed = readMessage(bytes, SignedControl, DOCUMENT_BYTES_MAX);
  return signed === undefined ? { ok: false, reason: "malformed" } : verifyControl(signed, expected);
}

/** As {@link readControl}, for a parsed message. */
export function verifyControl(signed: SignedControl, { env, publicKey }: ControlExpectation): ControlReading {
  const read = readSigned(signed, { kind: "state", env, publicKey, schema: ControlState });
  if (!read.ok) return read;
  if (read.value.env !== env) return { ok: false, reason: "env" };
  return { ok: true, document: { state: read.value, digest: digestOf(signed.payload), signed } };
}

/** As {@link verifyControl}, without the reason. */
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
 * True if `next` replaces `held`: by a higher generation; in one generation by refusing more, then by killing more, and then by a higher
 * digest, so that all readers of both agree.
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
 * The generation, then how much a document stops, with the most important first. Kills that refuse come before kills that send unsealed, so none of
 * the latter replaces one of the former.
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

/** More than the longest payload with every character escaped. */
const DOCUMENT_BYTES_MAX = 262_144;

function digestOf(payload: string): string {
  return encodeBase64Url(createHash("sha256").update(payload).digest());
}
