import { isDeepStrictEqual } from "node:util";
import { BUCKETS, KV_KEYS, SUBJECTS, type TrustDocument, type TrustDocumentResult } from "@scbe/contracts";
import type { Bus } from "../bus.ts";
import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import { LookUp } from "../look-up.ts";
import type { Registry } from "../metrics/registry.ts";
import type { Readiness } from "../readiness.ts";
import { Hearing } from "./hearing.ts";
import { judgeBroadcast } from "./judge-broadcast.ts";
import { readTrustDocument } from "./read-trust-document.ts";
import { type ShownTrust, showTrust } from "./show-trust.ts";
import type { TrustView } from "./trust-view.ts";

/** How long a process waits for what is stored before it does without. */
const LOOK_MS_MAX = 500;

export interface TrustFollowerOptions {
  readonly bus: Pick<Bus, "bucket" | "subscribe" | "onReconnect">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Logger;
  /** Shows the state as the dependency `trust`, without which a process is ready all the same once it has looked. */
  readonly readiness: Pick<Readiness, "set">;
  /** Absent: nothing is counted. */
  readonly metrics?: Registry;
}

/**
 * Holds what the trust scorer says. A document arrives by broadcast, and is looked up where it is stored: at start, after each reconnect, while
 * no scorer is heard, and when a broadcast goes back. It fails open: where there is no document every provider is trusted, and
 * without a scorer the last one stands. A process is not ready before it has looked, for a moment: a latch that stands counts from its
 * first request on.
 */
export class TrustFollower implements TrustView, AsyncDisposable {
  readonly #options: TrustFollowerOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #listeners = new Set<() => void>();
  readonly #hearing: Hearing;
  readonly #shown: ShownTrust;
  readonly #stored: LookUp;
  #document: TrustDocument | undefined;
  /** Broadcasts that were taken; what was looked up before the last of them is older than it. */
  #taken = 0;
  #hasWarned = false;
  #hasLooked = false;

  constructor(options: TrustFollowerOptions) {
    this.#options = options;
    const { bus, log, clock, metrics } = options;
    this.#stored = this.#stack.use(
      new LookUp({ bus, log, bucket: BUCKETS.trust, key: KV_KEYS.trust, begin: () => this.#lookUp() }),
    );
    this.#hearing = this.#stack.use(
      new Hearing({
        clock,
        onChange: (isHeard) => this.#hearingChanged(isHeard),
        onSilence: () => void this.#stored.read(),
      }),
    );
    this.#shown = this.#stack.use(showTrust(metrics, () => this.isHeard));
    this.#show();
    this.#stack.use(bus.subscribe(SUBJECTS.trustState, ({ data }) => this.#broadcast(data)));
    this.#stack.use(bus.onReconnect(() => void this.#stored.read()));
    const looking = setTimeout(() => this.#looked(), LOOK_MS_MAX).unref();
    this.#stack.defer(() => clearTimeout(looking));
    void this.#stored.read().then(() => this.#looked());
  }

  get document(): TrustDocument | undefined {
    return this.#document;
  }

  /** True while a scorer speaks. */
  get isHeard(): boolean {
    return this.#hearing.isHeard;
  }

  /** What operators should know of what is held; undefined: nothing. */
  get note(): string | undefined {
    if (this.#document === undefined) return NEVER_HEARD;
    return this.isHeard ? undefined : SILENT;
  }

  onChange(listener: () => void): Disposable {
    // One of its own, since the same listener may be given twice.
    const own = (): void => listener();
    this.#listeners.add(own);
    return { [Symbol.dispose]: () => void this.#listeners.delete(own) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #broadcast(bytes: Uint8Array): void {
    const next = this.#read(bytes);
    if (next === undefined) return;
    if (judgeBroadcast(this.#document, next.stream) === "take") {
      this.#taken += 1;
      this.#hold(next);
    } else {
      this.#shown.offered("old");
      void this.#stored.read();
    }
    this.#hearing.heard();
  }

  /** What is stored is taken as it stands, unless a broadcast was taken while it was looked up. */
  #lookUp(): (bytes: Uint8Array) => void {
    const taken = this.#taken;
    return (bytes) => {
      const next = this.#read(bytes);
      if (next === undefined) return;
      if (this.#taken === taken) this.#hold(next);
      else this.#shown.offered("old");
    };
  }

  #read(bytes: Uint8Array): TrustDocument | undefined {
    const document = readTrustDocument(bytes);
    if (document === undefined) this.#refused();
    return document;
  }

  #refused(): void {
    this.#shown.offered("refused");
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#options.log.warn("what came as a trust document is none, and was not used");
  }

  #hold(next: TrustDocument): void {
    const isNews = !isDeepStrictEqual(next, this.#document);
    const result: TrustDocumentResult = isNews ? "applied" : "old";
    this.#shown.offered(result);
    if (!isNews) return;
    const isFirst = this.#document === undefined;
    this.#document = next;
    if (isFirst) this.#show();
    this.#tell();
  }

  #hearingChanged(isHeard: boolean): void {
    const { log } = this.#options;
    if (isHeard) log.info("a trust scorer is heard");
    else log.warn(this.note ?? SILENT);
    this.#show();
  }

  #looked(): void {
    if (this.#hasLooked) return;
    this.#hasLooked = true;
    this.#show();
  }

  #show(): void {
    const { note } = this;
    const { readiness } = this.#options;
    if (this.#document === undefined && !this.#hasLooked)
      readiness.set("trust", { ok: false, reason: "it is being looked up" });
    else readiness.set("trust", { ok: true, ...(note !== undefined && { note }) });
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        this.#options.log.error({ err: error }, "a listener of trust failed");
      }
    }
  }
}

const NEVER_HEARD = "no trust scorer has been heard of: every provider is trusted";
const SILENT = "no trust scorer is heard any more: what was last known stands";
