import { DocumentFetcher, SignedBroadcasts } from "@scbe/bus";
import { errorCode, type HeldGeneration, type RingState, SUBJECTS, subjectOf } from "@scbe/contracts";
import { type ClaimedRing, claimedRing, verifyRing } from "@scbe/envelope/grant";
import {
  backoffMs,
  type Clock,
  counter,
  type Logger,
  LogLimiter,
  type MetricsRegistry,
  type Readiness,
} from "@scbe/runtime";
import { fetchGrant, type GrantSource } from "./fetch-grant.ts";
import type { HeldKeys, WantedKey } from "./held-keys.ts";

export interface KeyKeeperOptions {
  readonly keys: HeldKeys;
  readonly source: GrantSource;
  readonly clock: Clock;
  readonly log: Logger;
  /** Gets the dependency `keys`. */
  readonly readiness: Readiness;
  readonly metrics: MetricsRegistry;
}

const PARALLEL_GRANTS_MAX = 8;
const RETRY = { firstMs: 250, maxMs: 5000 };
const SWEEP_MS = 1000;

/**
 * Keeps {@link HeldKeys} up to date with the keyring: follows its ring, and fetches missing keys at start, when the ring changes and after a
 * reconnect.
 */
export class KeyKeeper implements AsyncDisposable {
  readonly #options: KeyKeeperOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #broadcasts: SignedBroadcasts<ClaimedRing, RingState>;
  readonly #unused = new LogLimiter();
  readonly #results: ReturnType<typeof counter<"scbe_ring_broadcasts_total">>;
  /** Why the last pass did not fetch every key. */
  #failure: unknown;
  #isNudged = false;
  #isRunning = false;
  #isClosed = false;
  #wake: (() => void) | undefined;

  constructor(options: KeyKeeperOptions) {
    this.#options = options;
    const { bus, keyringPublicKey, env } = options.source;
    options.readiness.declare("keys");
    this.#results = counter(options.metrics, "scbe_ring_broadcasts_total");
    this.#broadcasts = new SignedBroadcasts({
      clock: options.clock,
      parse: claimedRing,
      isNews: ({ claimed }) => options.keys.isNews(claimed),
      verify: (claim) => {
        const read = verifyRing(claim, keyringPublicKey, env);
        return read.ok ? read.ring : undefined;
      },
    });
    this.#stack.use(bus.subscribe(SUBJECTS.ring, ({ data }) => this.#hear(data, false)));
    const keyring = this.#stack.use(
      new DocumentFetcher({
        ...{ bus, log: options.log, subject: subjectOf("ringGet", { user: bus.user }) },
        question: (): HeldGeneration => ({ v: 1, generation: options.keys.ring?.generation ?? null }),
        take: (data) => this.#hear(data, true),
      }),
    );
    this.#stack.use(
      bus.onReconnect(() => {
        this.#nudge();
        void keyring.read();
      }),
    );
    const sweep = setInterval(() => this.#sweep(), SWEEP_MS).unref();
    this.#stack.defer(() => clearInterval(sweep));
    this.#nudge();
    void keyring.read();
  }

  /** Stops, and drops every key. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#wake?.();
    await this.#stack.disposeAsync();
    this.#options.keys.clear();
  }

  #hear(data: Uint8Array, isAsked: boolean): void {
    const { keys, clock, log } = this.#options;
    const reading = this.#broadcasts.read(data, { isAsked });
    this.#results.inc({ result: reading.result });
    if (reading.result === "applied") {
      keys.obey(reading.value);
      this.#updateReadiness();
      this.#nudge();
    } else if (reading.result !== "old") {
      const { result } = reading;
      this.#unused.note(clock.monotonic(), (count) =>
        log.warn({ result, count }, "a ring was ignored: not from the keyring, or too many arrived"),
      );
    }
  }

  /** Drops ended keys. After the clock was set, keys may be missing without a message about it. */
  #sweep(): void {
    this.#options.keys.expire();
    this.#updateReadiness();
    if (!this.#isRunning && this.#options.keys.missing().length > 0) this.#nudge();
  }

  #nudge(): void {
    this.#isNudged = true;
    this.#wake?.();
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    let failures = 0;
    while (this.#isNudged && !this.#isClosed) {
      this.#isNudged = false;
      this.#failure = await this.#fetchMissing();
      if (this.#isClosed) break;
      this.#updateReadiness();
      if (this.#failure === undefined) {
        failures = 0;
        continue;
      }
      failures += 1;
      if (failures === 1) {
        this.#options.log.warn({ code: errorCode(this.#failure) }, "not every key could be fetched");
      }
      const wasNudged = this.#isNudged;
      this.#isNudged = true;
      if (!wasNudged) await this.#pause(backoffMs(failures, Math.random(), RETRY));
    }
    this.#isRunning = false;
  }

  /** Resolves to a failure of this pass, or `undefined`. A nudge ends the pass early: other keys may be missing by now. */
  async #fetchMissing(): Promise<unknown> {
    const missing = this.#options.keys.missing();
    let failure: unknown;
    const worker = async (): Promise<void> => {
      while (!this.#isClosed && !this.#isNudged) {
        const next = missing.pop();
        if (next === undefined) return;
        await this.#fetch(next).catch((error: unknown) => {
          failure = error;
        });
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_GRANTS_MAX }, worker));
    return failure;
  }

  async #fetch(wanted: WantedKey): Promise<void> {
    const { keys, source } = this.#options;
    const { subkeys, meta } = await fetchGrant(wanted, source);
    if (!this.#isClosed) keys.take(subkeys, meta);
  }

  #updateReadiness(): void {
    const { keys, readiness } = this.#options;
    const lacking = keys.withoutSealing().map(({ provider, intent }) => `${provider}/${intent}`);
    if (lacking.length > 0) {
      const why =
        this.#failure === undefined ? "" : `; the last attempt ended with ${errorCode(this.#failure)}`;
      readiness.set("keys", {
        ok: false,
        reason: `no active key for ${lacking.slice(0, 8).join(", ")}${why}`,
      });
    } else if (keys.ring === undefined) {
      readiness.set("keys", { ok: false, reason: "no ring has arrived yet" });
    } else {
      const missing = keys.missing().length;
      readiness.set("keys", {
        ok: true,
        ...(missing > 0 && { note: `${missing} keys that can still open are missing` }),
      });
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), ms);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
