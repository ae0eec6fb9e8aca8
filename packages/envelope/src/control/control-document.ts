import { createHash } from "node:crypto";
import { ControlState, type Environment, SignedControl } from "@scbe/contracts";
import { encodeBase64Url } from "../base64url.ts";
import type { Identity } from "../grant/identity.ts";
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

/**
 * The document in `bytes` (JSON of a {@link SignedControl}), or `undefined` when it is none that this controller has signed for this
 * environment. Whether it is news is the reader's to decide, by {@link supersedes}.
 */
export function readControl(
  bytes: Uint8Array,
  expected: { readonly env: Environment; readonly publicKey: string },
): ControlDocument | undefined {
  const parsed = parse(bytes);
  return parsed && verifyControl(parsed, expected);
}

/** As {@link readControl}, of what was parsed already. */
export function verifyControl(
  signed: SignedControl,
  { env, publicKey }: { readonly env: Environment; readonly publicKey: string },
): ControlDocument | undefined {
  const read = readSigned(signed, { kind: "state", env, publicKey, schema: ControlState });
  if (!read.ok || read.value.env !== env) return undefined;
  return { state: read.value, digest: digestOf(signed.payload), signed };
}

export function encodeControl({ signed }: ControlDocument): Uint8Array {
  return Buffer.from(JSON.stringify(signed));
}

/**
 * True when `next` takes the place of `held`: a higher generation does; of two of the same, the one that kills more, and then
 * the one whose digest is higher, so that all who have seen both agree.
 */
export function supersedes(next: ControlDocument, held: ControlDocument | undefined): boolean {
  if (held === undefined) return true;
  if (next.state.generation !== held.state.generation) return next.state.generation > held.state.generation;
  const [nextKills, heldKills] = [killsOf(next.state), killsOf(held.state)];
  return nextKills === heldKills ? next.digest > held.digest : nextKills > heldKills;
}

/** A kill of everything is more than any number of providers. */
function killsOf({ kill_switch: { all, providers } }: ControlState): number {
  const count = Object.keys(providers).length;
  return all === null ? count : Number.MAX_SAFE_INTEGER;
}

function parse(bytes: Uint8Array): SignedControl | undefined {
  if (bytes.length > DOCUMENT_BYTES_MAX) return undefined;
  try {
    return SignedControl.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    return undefined;
  }
}

/** A payload with every character escaped, and what is around it. */
const DOCUMENT_BYTES_MAX = 128 * 1024;

function digestOf(payload: string): string {
  return encodeBase64Url(createHash("sha256").update(payload, "utf8").digest());
}
