import { randomBytes } from "node:crypto";
import type { Bus } from "@scbe/bus";
import {
  type ControlLeaseResult,
  type Environment,
  isScbeError,
  type LeaseRequest,
  subjectOf,
  writeMessage,
} from "@scbe/contracts";
import type { ControlDocument } from "@scbe/envelope/control";
import type { Clock } from "@scbe/runtime";
import type { LeaseTime } from "./lease-time.ts";
import { type LeaseTaking, takeLease } from "./take-lease.ts";

export interface LeaseAskerOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly env: Environment;
  /** The controller's public nkey. */
  readonly publicKey: string;
  readonly leaseMs: number;
  readonly lease: LeaseTime;
  /** This process sends or serves unsealed what the document sends to fallback. */
  readonly fallbackAllowed: boolean;
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
  /** The controller named a document that ours is newer than: it gets ours with the next question, and with that one alone. */
  #isAhead = false;

  constructor(options: LeaseAskerOptions) {
    this.#options = options;
  }

  /** One question; `undefined`: it was given up by `signal`. */
  async ask(signal: AbortSignal): Promise<ControlLeaseResult | undefined> {
    const { clock } = this.#options;
    const nonce = randomBytes(NONCE_BYTES).toString("base64url");
    const askedAt = clock.monotonic();
    const question = this.#question(nonce);
    // The controller takes few documents from each user: replicas that all hold the same one ask without it meanwhile.
    this.#isAhead = false;
    const data = await this.#request(question, signal);
    if (data === undefined) return signal.aborted ? undefined : "unanswered";
    const taking = takeLease(data, { nonce, askedAt }, this.#options);
    this.#isAhead = taking === "other";
    return RESULTS[taking];
  }

  /** Says that it asks no more, so that nobody waits for its acknowledgement; whether that arrives is nobody's concern. */
  leave(): void {
    const { bus } = this.#options;
    if (!bus.connected) return;
    const nonce = randomBytes(NONCE_BYTES).toString("base64url");
    void this.#request({ ...this.#question(nonce), leaving: true }, undefined);
  }

  #question(nonce: string): LeaseRequest {
    const { fallbackAllowed: fallback, held } = this.#options;
    const document = held();
    const what = document && { generation: document.state.generation, digest: document.digest };
    const proof = this.#isAhead && document !== undefined ? { state: document.signed } : {};
    return { v: 1, nonce, verifier: this.#verifier, held: what ?? null, fallback, ...proof };
  }

  async #request(question: LeaseRequest, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    const { bus, leaseMs } = this.#options;
    const data = writeMessage(question);
    const limits = { timeoutMs: leaseMs / 2, againAfterMs: ASK_AGAIN_AFTER_MS };
    const options = { ...limits, traced: false, ...(signal && { signal }) };
    try {
      return (await bus.request(subjectOf("controlLease", { user: bus.user }), data, options)).data;
    } catch (error) {
      if (isScbeError(error)) return undefined;
      throw error;
    }
  }
}

const RESULTS = {
  granted: "granted",
  malformed: "refused",
  signature: "refused",
  nonce: "refused",
  other: "refused",
  late: "unanswered",
} as const satisfies Record<LeaseTaking, ControlLeaseResult>;
