import { type Lease, writeMessage } from "@scbe/contracts";
import {
  type ControlDocument,
  type ControlExpectation,
  type LeaseReading,
  readLease,
} from "@scbe/envelope/control";
import type { Clock } from "@scbe/runtime";

export interface LeaseTimeOptions {
  readonly clock: Pick<Clock, "monotonic">;
  /** How long a lease lasts, from the moment of its request. */
  readonly leaseMs: number;
}

/** How long the held document counts as confirmed, by this process's monotonic clock alone. */
export class LeaseTime {
  readonly #options: LeaseTimeOptions;
  /** Monotonic ms; undefined before the first lease. */
  #until: number | undefined;

  constructor(options: LeaseTimeOptions) {
    this.#options = options;
  }

  /** When the lease ends or ended, in monotonic ms; undefined before the first one. */
  get until(): number | undefined {
    return this.#until;
  }

  /** True once a lease was granted. */
  get wasGranted(): boolean {
    return this.#until !== undefined;
  }

  /** True without a valid lease: before the first one, and after the end of the last. */
  get isStale(): boolean {
    return this.#until === undefined || this.#options.clock.monotonic() >= this.#until;
  }

  /**
   * Grants the lease that was requested at `askedAt`, in monotonic ms.
   * @returns false when that lease is over already
   */
  grant(askedAt: number): boolean {
    const { clock, leaseMs } = this.#options;
    const until = askedAt + leaseMs;
    if (clock.monotonic() >= until) return false;
    this.#until = Math.max(until, this.#until ?? until);
    return true;
  }
}

/**
 * The result of a lease answer: `granted`, or the first check that failed, in the order of docs/spec/control-v1.md. `other`: the
 * lease names another document than the held one; `late`: its time is over.
 */
export type LeaseTaking = "granted" | Extract<LeaseReading, { ok: false }>["reason"] | "other" | "late";

/** The lease request that is answered. */
export interface AskedLease {
  readonly nonce: string;
  /** Monotonic ms. */
  readonly askedAt: number;
}

export interface TakeLeasePorts extends ControlExpectation {
  readonly lease: Pick<LeaseTime, "grant">;
  held(): ControlDocument | undefined;
  /** Takes the document of an answer, as JSON, if it is newer. */
  offer(bytes: Uint8Array): void;
}

/** Takes an answer: first the document in it, then the lease, which is valid only for the document that is held now. */
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
