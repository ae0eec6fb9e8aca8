import { type GrantMeta, isScbeError, type RingState, SUBJECTS } from "@scbe/contracts";
import { backoffMs, type Clock, type Logger, type Readiness } from "@scbe/service-kit";
import { fetchGrant, type GrantSource, type WantedKey } from "./fetch-grant.ts";
import { isNews, readRingMessage } from "./read-ring-message.ts";
import { mayOpen, openableKeys, type SubkeyStore } from "./subkey-store.ts";

export interface KeyKeeperOptions {
  readonly store: SubkeyStore;
  readonly source: GrantSource;
  readonly providers: readonly string[];
  readonly intents: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  /** Shows the state as the dependency `keys`. */
  readonly readiness: Readiness;
}

const PARALLEL_GRANTS_MAX = 8;
const RETRY = { firstMs: 250, maxMs: 5000 };
const SWEEP_MS = 1000;

/**
 * Keeps the store at what the keyring's ring says: fetches every (openable kid, own provider, own intent) at start, when
 * the ring changes and after a reconnect, and drops what may not open any more. Until a first ring is heard the active
 * keys alone are fetched.
 */
export class KeyKeeper implements AsyncDisposable {
  readonly #options: KeyKeeperOptions;
  readonly #stack = new AsyncDisposableStack();
  #ring: RingState | undefined;
  /** The highest generation that the keyring has signed to us, in a ring or a grant. */
  #generation = 0;
  /** Why the last try brought not every key. */
  #failure: unknown;
  #wanted = false;
  #running = false;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(options: KeyKeeperOptions) {
    this.#options = options;
    const { bus } = options.source;
    options.readiness.declare("keys");
    this.#stack.use(bus.subscribe(SUBJECTS.ring, ({ data }) => this.#hear(data)));
    this.#stack.use(bus.onReconnect(() => this.#nudge()));
    const sweep = setInterval(() => this.#sweep(), SWEEP_MS).unref();
    this.#stack.defer(() => clearInterval(sweep));
    this.#nudge();
  }

  /** Stops following, and drops every key. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    await this.#stack.disposeAsync();
    this.#options.store.clear();
  }

  /** A ring is obeyed only if it is newer than the one in hand, and not older than what a grant has told. */
  #hear(data: Uint8Array): void {
    const { source, store, clock, log } = this.#options;
    const read = readRingMessage(data, source.keyringPublicKey, source.env);
    if (!read.ok) {
      log.warn({ reason: read.reason }, "a broadcast of the ring was not the keyring's");
      return;
    }
    const { ring } = read;
    if (!isNews(ring, this.#ring?.generation) || ring.generation < this.#generation) return;
    this.#ring = ring;
    this.#generation = ring.generation;
    store.obey(ring, clock.now());
    this.#show();
    this.#nudge();
  }

  /** What has ended goes; what is missing though nothing asks for it, since a clock was set, is fetched. */
  #sweep(): void {
    this.#options.store.expire(this.#options.clock.now());
    this.#show();
    if (!this.#running && this.#missing().length > 0) this.#nudge();
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
        this.#options.log.warn({ code: codeOf(this.#failure) }, "not every key could be fetched");
      }
      const hasNews = this.#wanted;
      this.#wanted = true;
      if (!hasNews) await this.#pause(backoffMs(failures, Math.random(), RETRY));
    }
    this.#running = false;
  }

  /** Some failure of this try, or `undefined` when there was none. News ends it: what is missing may be another by now. */
  async #fetchMissing(): Promise<unknown> {
    const missing = this.#missing();
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
    const { store, source } = this.#options;
    const { subkeys, meta } = await fetchGrant(wanted, source);
    this.#generation = Math.max(this.#generation, meta.ring_generation);
    const now = this.#asOfNow(meta);
    if (now !== undefined && !this.#closed) store.install(subkeys, now);
  }

  /** A grant may come after a ring that is newer than it: then that says what becomes of its key, if anything. */
  #asOfNow(meta: GrantMeta): GrantMeta | undefined {
    const ring = this.#ring;
    const nowMs = this.#options.clock.now();
    if (ring === undefined || ring.generation < meta.ring_generation) {
      return mayOpen(meta, nowMs) ? meta : undefined;
    }
    const key = openableKeys(ring, nowMs).find(({ kid }) => kid === meta.kid);
    return key && { ...key, ring_generation: ring.generation };
  }

  #missing(): WantedKey[] {
    const { store, providers, intents } = this.#options;
    const pairs = providers.flatMap((provider) => intents.map((intent) => ({ provider, intent })));
    if (this.#ring === undefined) {
      return pairs
        .filter(({ provider, intent }) => store.active(provider, intent) === undefined)
        .map((pair) => ({ kid: "", ...pair }));
    }
    return this.#openable(this.#ring).flatMap((kid) =>
      pairs
        .filter(({ provider, intent }) => store.find(kid, provider, intent) === undefined)
        .map((pair) => ({ kid, ...pair })),
    );
  }

  #openable(ring: RingState): readonly string[] {
    return openableKeys(ring, this.#options.clock.now()).map(({ kid }) => kid);
  }

  #show(): void {
    const { store, providers, intents, readiness } = this.#options;
    const lacking = providers.flatMap((provider) =>
      intents
        .filter((intent) => store.active(provider, intent) === undefined)
        .map((intent) => `${provider}/${intent}`),
    );
    if (lacking.length > 0) {
      const why = this.#failure === undefined ? "" : `; the last try ended with ${codeOf(this.#failure)}`;
      readiness.set("keys", {
        ok: false,
        reason: `no active key for ${lacking.slice(0, 8).join(", ")}${why}`,
      });
    } else if (this.#ring === undefined) {
      readiness.set("keys", { ok: false, reason: "the ring has not been heard yet" });
    } else {
      const missing = this.#missing().length;
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

function codeOf(error: unknown): string {
  return isScbeError(error) ? error.code : "INTERNAL";
}
