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
import { backoffMs, type Clock } from "@scbe/runtime";
import { type LeaseTaking, LeaseTime, type LeaseTimeOptions, takeLease } from "./lease.ts";

export interface LeaseKeeperOptions {
  readonly leaseMs: number;
  /** Sends one request; never throws. `undefined`: a newer request took its place. */
  ask(signal: AbortSignal): Promise<ControlLeaseResult | undefined>;
}

/** The longest pause between two requests while none is granted. */
const PAUSE_MS_MAX = 5000;

/**
 * Requests leases: twice in the time of one, sooner after a failure, and at once on {@link askNow}. One request is open at a time; a newer
 * one replaces it, since the answer to the older one would confirm a document that is no longer held.
 */
export class LeaseKeeper implements Disposable {
  readonly #options: LeaseKeeperOptions;
  #asking: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  askNow(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    void this.#ask(asking);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  async #ask(asking: AbortController): Promise<void> {
    const result = await this.#options.ask(asking.signal);
    if (this.#closed || asking !== this.#asking) return;
    this.#failures = result === "granted" ? 0 : this.#failures + 1;
    this.#timer = setTimeout(() => this.askNow(), this.#pauseMs()).unref();
  }

  /** Below half of the lease time, and random: processes that asked at the same moment drift apart. */
  #pauseMs(): number {
    const halfMs = this.#options.leaseMs / 2;
    if (this.#failures === 0) return halfMs * (0.9 + Math.random() / 10);
    const limits = { firstMs: halfMs / 8, maxMs: Math.min(halfMs, PAUSE_MS_MAX) };
    return backoffMs(this.#failures, Math.random(), limits);
  }
}

export interface LeaseRequesterOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly env: Environment;
  /** The controller's public nkey. */
  readonly publicKey: string;
  readonly leaseMs: number;
  readonly lease: LeaseTime;
  /** This process sends or serves unsealed where the document says `fallback`. */
  readonly fallbackAllowed: boolean;
  held(): ControlDocument | undefined;
  /** Takes the document of an answer, as JSON. */
  offer(bytes: Uint8Array): void;
}

const NONCE_BYTES = 16;
/** A frozen controller swallows what it receives; the request is sent again with the same nonce. */
const ASK_AGAIN_AFTER_MS = 250;

/**
 * Requests a lease from the leading controller, and reports which document is held. The answer signs the request's own nonce, and the lease
 * counts from the moment of the request, so recording, delaying or replaying answers gains an attacker nothing.
 */
export class LeaseRequester {
  readonly #options: LeaseRequesterOptions;
  readonly #verifier = crypto.randomUUID();
  /** The controller named an older document than ours: the next request, and only that one, brings ours. */
  #isAhead = false;

  constructor(options: LeaseRequesterOptions) {
    this.#options = options;
  }

  /** Sends one request; `undefined`: `signal` aborted it. */
  async ask(signal: AbortSignal): Promise<ControlLeaseResult | undefined> {
    const { clock } = this.#options;
    const nonce = randomBytes(NONCE_BYTES).toString("base64url");
    const askedAt = clock.monotonic();
    const request = this.#request(nonce);
    // The controller takes few documents from each user: replicas with the same document send it in turn.
    this.#isAhead = false;
    const data = await this.#send(request, signal);
    if (data === undefined) return signal.aborted ? undefined : "unanswered";
    const taking = takeLease(data, { nonce, askedAt }, this.#options);
    this.#isAhead = taking === "other";
    return RESULTS[taking];
  }

  /** Reports that this process ends, so that no kill waits for its confirmation. A lost report does no harm. */
  leave(): void {
    const { bus } = this.#options;
    if (!bus.connected) return;
    const nonce = randomBytes(NONCE_BYTES).toString("base64url");
    void this.#send({ ...this.#request(nonce), leaving: true }, undefined);
  }

  #request(nonce: string): LeaseRequest {
    const { fallbackAllowed: fallback, held } = this.#options;
    const document = held();
    const what = document && { generation: document.state.generation, digest: document.digest };
    const proof = this.#isAhead && document !== undefined ? { state: document.signed } : {};
    return { v: 1, nonce, verifier: this.#verifier, held: what ?? null, fallback, ...proof };
  }

  async #send(request: LeaseRequest, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
    const { bus, leaseMs } = this.#options;
    const data = writeMessage(request);
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

export interface WatchedLeaseOptions extends LeaseTimeOptions {
  /** Runs when {@link LeaseTime.isStale} changes. */
  onChange(isStale: boolean): void;
}

/** A {@link LeaseTime} that reports when it becomes valid and when it ends. Disposing stops the reports. */
export class WatchedLease extends LeaseTime implements Disposable {
  readonly #options: WatchedLeaseOptions;
  #wasStale = true;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WatchedLeaseOptions) {
    super(options);
    this.#options = options;
  }

  override grant(askedAt: number): boolean {
    const isGranted = super.grant(askedAt);
    if (isGranted) this.#check();
    return isGranted;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #check(): void {
    clearTimeout(this.#timer);
    const { clock, onChange } = this.#options;
    const { isStale, until } = this;
    if (until !== undefined && !isStale) {
      const leftMs = Math.ceil(until - clock.monotonic());
      this.#timer = setTimeout(() => this.#check(), leftMs).unref();
    }
    if (isStale === this.#wasStale) return;
    this.#wasStale = isStale;
    onChange(isStale);
  }
}
