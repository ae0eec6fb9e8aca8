import { randomBytes } from "node:crypto";
import {
  type ControlLeaseResult,
  type Environment,
  isScbeError,
  type Lease,
  type LeaseQuestion,
  SUBJECTS,
} from "@scbe/contracts";
import { type ControlDocument, readLease } from "@scbe/envelope/control";
import type { Bus, Clock } from "@scbe/service-kit";
import type { LeaseTime } from "./lease-time.ts";

export interface LeaseAskerOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  /** The process's user on the bus. */
  readonly name: string;
  readonly env: Environment;
  /** The controller's public nkey. */
  readonly publicKey: string;
  readonly leaseMs: number;
  readonly lease: LeaseTime;
  held(): ControlDocument | undefined;
  /** Takes the document that an answer brings, as JSON. */
  offer(bytes: Uint8Array): void;
}

const NONCE_BYTES = 16;
/** Sent again with the same nonce: a frozen controller swallows what it was given. */
const ASK_AGAIN_AFTER_MS = 250;

/**
 * Asks the controller that leads what is in force, and tells it what is held here. The answer signs a nonce that was drawn for this
 * question, and the lease counts from the moment of asking: who records, delays or repeats answers gains nothing.
 */
export class LeaseAsker {
  readonly #options: LeaseAskerOptions;
  readonly #verifier = crypto.randomUUID();
  /** The controller named a document that ours is newer than: it gets ours. */
  #isAhead = false;

  constructor(options: LeaseAskerOptions) {
    this.#options = options;
  }

  /** One question; `undefined`: it was given up by `signal`. */
  async ask(signal: AbortSignal): Promise<ControlLeaseResult | undefined> {
    const { clock } = this.#options;
    const nonce = randomBytes(NONCE_BYTES).toString("base64url");
    const askedAt = clock.monotonic();
    const data = await this.#request(this.#question(nonce), signal);
    if (data === undefined) return signal.aborted ? undefined : "unanswered";
    return this.#take(data, nonce, askedAt);
  }

  /** Says that it asks no more, so that nobody waits for its acknowledgement; whether that arrives is nobody's concern. */
  leave(): void {
    const { bus } = this.#options;
    if (!bus.connected) return;
    const nonce = randomBytes(NONCE_BYTES).toString("base64url");
    void this.#request({ ...this.#question(nonce), leaving: true }, undefined);
  }

  #question(nonce: string): LeaseQuestion {
    const { name, held } = this.#options;
    const document = held();
    const what = document && { generation: document.state.generation, digest: document.digest };
    const proof = this.#isAhead && document !== undefined ? { state: document.signed } : {};
    return { v: 1, nonce, verifier: this.#verifier, name, held: what ?? null, ...proof };
  }

  async #request(question: LeaseQuestion, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    const { bus, leaseMs } = this.#options;
    const data = Buffer.from(JSON.stringify(question));
    const limits = { timeoutMs: leaseMs / 2, againAfterMs: ASK_AGAIN_AFTER_MS };
    const options = { ...limits, traced: false, ...(signal && { signal }) };
    try {
      return (await bus.request(SUBJECTS.controlLease, data, options)).data;
    } catch (error) {
      if (isScbeError(error)) return undefined;
      throw error;
    }
  }

  #take(data: Uint8Array, nonce: string, askedAt: number): ControlLeaseResult {
    const read = readLease(data, nonce, this.#options);
    if (read === undefined) return "refused";
    const { held, offer, lease } = this.#options;
    const { state } = read.answer;
    if (state !== undefined) offer(Buffer.from(JSON.stringify(state)));
    this.#isAhead = !names(read.lease, held());
    if (this.#isAhead) return "refused";
    return lease.grant(askedAt) ? "granted" : "unanswered";
  }
}

/** Only a lease for the very document that is held counts. */
function names({ generation, digest }: Lease, held: ControlDocument | undefined): boolean {
  return held !== undefined && held.state.generation === generation && held.digest === digest;
}
