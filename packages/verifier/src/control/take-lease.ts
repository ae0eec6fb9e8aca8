import { type Lease, writeMessage } from "@scbe/contracts";
import {
  type ControlDocument,
  type ControlExpectation,
  type LeaseReading,
  readLease,
} from "@scbe/envelope/control";
import type { LeaseTime } from "./lease-time.ts";

/**
 * What an answer for a lease came to: `granted`, or the first check that failed, in the order of docs/spec/control-v1.md. `other`: the
 * lease names another document than the one that is held; `late`: its time is over.
 */
export type LeaseTaking = "granted" | Extract<LeaseReading, { ok: false }>["reason"] | "other" | "late";

/** The question that is answered. */
export interface AskedLease {
  readonly nonce: string;
  /** Monotonic ms. */
  readonly askedAt: number;
}

export interface TakeLeasePorts extends ControlExpectation {
  readonly lease: Pick<LeaseTime, "grant">;
  held(): ControlDocument | undefined;
  /** Takes the document that an answer brings, as JSON, if it is news. */
  offer(bytes: Uint8Array): void;
}

/** Takes the answer to a question: first the document that it brings, then the lease, which counts for the very document that is held. */
export function takeLease(
  data: Uint8Array,
  { nonce, askedAt }: AskedLease,
  ports: TakeLeasePorts,
): LeaseTaking {
  const read = readLease(data, nonce, ports);
  if (!read.ok) return read.reason;
  const { state } = read.answer;
  if (state !== undefined) ports.offer(writeMessage(state));
  if (!names(read.lease, ports.held())) return "other";
  return ports.lease.grant(askedAt) ? "granted" : "late";
}

function names({ generation, digest }: Lease, held: ControlDocument | undefined): boolean {
  return held !== undefined && held.state.generation === generation && held.digest === digest;
}
