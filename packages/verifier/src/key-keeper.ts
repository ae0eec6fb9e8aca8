import { DocumentFetcher, SignedBroadcasts } from "@scbe/bus";
import { errorCode, type HeldGeneration, type RingState, SUBJECTS, subjectOf } from "@scbe/contracts";
import { type ClaimedRing, claimedRing, verifyRing } from "@scbe/envelope/grant";
import type { MetricsRegistry } from "@scbe/runtime";
import { backoffMs, type Clock, counter, type Logger, LogLimiter, type Readiness } from "@scbe/runtime";
import { fetchGrant, type GrantSource, type WantedKey } from "./fetch-grant.ts";
import type { HeldKeys } from "./held-keys.ts";

export interface KeyKeeperOptions {
  readonly keys: HeldKeys;
  readonly source: GrantSource;
  readonly clock: Clock;
  readonly log: Logger;
  /** Shows the state as the dependency `keys`. */
  readonly readiness: Readiness;
  readonly metrics: MetricsRegistry;
}

const PARALLEL_GRANTS_MAX = 8;
const RETRY = { firstMs: 250, maxMs: 5000 };
const SWEEP_MS = 1000;

/**
 * Tells {@link HeldKeys} what the keyring says: hears and asks for the ring, and fetches what is missing at start, when the ring changes
 * and after a reconnect.
 */
export class KeyKeeper implements AsyncDisposable {
  readonly #options: KeyKeeperOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #broadcasts: SignedBroadcasts<ClaimedRing, RingState>;
  readonly #unused = new LogLimiter();
  readonly #shown: ReturnType<typeof counter<"scbe_ring_broadcasts_total">>;
  /** Why the last try brought not every key. */
  #failure: unknown;
  #wanted = false;
  #running = false;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(options: KeyKeeperOptions) {
    this.#options = options;
    const { bus, keyringPublicKey, env } = options.source;
    options.readiness.declare("keys");
    this.#shown = counter(options.metrics, "scbe_ring_broadcasts_total");
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

  /** Stops following, and drops every key. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    await this.#stack.disposeAsync();
    this.#options.keys.clear();
  }

  #hear(data: Uint8Array, isAsked: boolean): void {
    const { keys, clock, log } = this.#options;
    const reading = this.#broadcasts.read(data, { isAsked });
    this.#shown.inc({ result: reading.result });
    if (reading.result === "applied") {
      keys.obey(reading.value);
      this.#show();
      this.#nudge();
    } else if (reading.result !== "old") {
      const { result } = reading;
      this.#unused.note(clock.monotonic(), (count) =>
        log.warn({ result, count }, "a ring was not used: none of the keyring's, or one too many"),
      );
    }
  }

  /** What has ended goes; what is missing though nothing asks for it, since a clock was set, is fetched. */
  #sweep(): void {
    this.#options.keys.expire();
    this.#show();
    if (!this.#running && this.#options.keys.missing().length > 0) this.#nudge();
  }

  #nudge(): void {
    this.#wanted = true;
    this.#wake?.();
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    let failures = 0;
    while (this.#wanted && !this.#closed) {
      this.#wanted = false;
      this.#failure = await this.#fetchMissing();
      if (this.#closed) break;
      this.#show();
      if (this.#failure === undefined) {
        failures = 0;
        continue;
      }
      failures += 1;
      if (failures === 1) {
        this.#options.log.warn({ code: errorCode(this.#failure) }, "not every key could be fetched");
      }
      const hasNews = this.#wanted;
      this.#wanted = true;
      if (!hasNews) await this.#pause(backoffMs(failures, Math.random(), RETRY));
    }
    this.#running = false;
  }

  /** Some failure of this try, or `undefined` when there was none. News ends it: what is missing may be another by now. */
  async #fetchMissing(): Promise<unknown> {
    const missing = this.#options.keys.missing();
    let failure: unknown;
    const worker = async (): Promise<void> => {
      while (!this.#closed && !this.#wanted) {
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
    if (!this.#closed) keys.take(subkeys, meta);
  }

  #show(): void {
    const { keys, readiness } = this.#options;
    const lacking = keys.withoutSealing().map(({ provider, intent }) => `${provider}/${intent}`);
    if (lacking.length > 0) {
      const why = this.#failure === undefined ? "" : `; the last try ended with ${errorCode(this.#failure)}`;
      readiness.set("keys", {
        ok: false,
        reason: `no active key for ${lacking.slice(0, 8).join(", ")}${why}`,
      });
    } else if (keys.ring === undefined) {
      readiness.set("keys", { ok: false, reason: "the ring has not been heard yet" });
    } else {
      const missing = keys.missing().length;
      readiness.set("keys", {
        ok: true,
        ...(missing > 0 && { note: `${missing} keys that may still open are missing` }),
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
