import { isDeepStrictEqual } from "node:util";
import type { Bus } from "@scbe/bus";
import { DocumentFetcher } from "@scbe/bus";
import {
  type HeldPlace,
  SUBJECTS,
  subjectOf,
  type TrustDocument,
  type TrustDocumentResult,
} from "@scbe/contracts";
import { type Clock, Listeners, type Logger, type MetricsRegistry, type Readiness } from "@scbe/runtime";
import { judgeBroadcast } from "./judge-broadcast.ts";
import { Liveness } from "./liveness.ts";
import { readTrustDocument } from "./read-trust-document.ts";
import { showTrust, type TrustMetrics } from "./trust-metrics.ts";
import type { TrustView } from "./trust-view.ts";

export interface TrustFollowerOptions {
  readonly bus: Pick<Bus, "user" | "exchange" | "subscribe" | "onReconnect">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Logger;
  /** Shows the state as the dependency `trust`: a process is not ready before it holds a document. */
  readonly readiness: Pick<Readiness, "set">;
  /** False: no controller is asked; a controller itself asks none. Default true. */
  readonly asksControllers?: boolean;
  /** Absent: nothing is counted. */
  readonly metrics?: MetricsRegistry;
}

/** Between two questions while no document is held. */
const ASK_EVERY_MS = 1000;

/**
 * Holds what the trust scorer says. A document arrives by broadcast, or from a scorer that is asked for it: at start, after each reconnect, while
 * no scorer is heard, and when a broadcast goes back. Where no scorer answers a process without a document takes the one that a
 * controller heard last. Without a scorer the last one stands. A process that never held one is not ready: it would
 * know of no latch.
 */
export class TrustFollower implements TrustView, AsyncDisposable {
  readonly #options: TrustFollowerOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #listeners = new Listeners((error) =>
    this.#options.log.error({ err: error }, "a listener of trust failed"),
  );
  readonly #hearing: Liveness;
  readonly #shown: TrustMetrics;
  readonly #scorer: DocumentFetcher;
  readonly #controller: DocumentFetcher;
  #document: TrustDocument | undefined;
  /** Broadcasts that were taken; an answer to a question from before the last of them is older than it. */
  #taken = 0;
  #takenWhenAsked = 0;
  #hasWarned = false;
  #isAsking = false;

  constructor(options: TrustFollowerOptions) {
    this.#options = options;
    const { bus, log, clock, metrics } = options;
    const { user } = bus;
    const held = (): HeldPlace => ({ v: 1, stream: this.#document?.stream ?? null });
    this.#scorer = this.#stack.use(
      new DocumentFetcher({
        ...{ bus, log, subject: subjectOf("trustGet", { user }) },
        question: () => {
          this.#takenWhenAsked = this.#taken;
          return held();
        },
        take: (bytes) => this.#answered(bytes),
      }),
    );
    this.#controller = this.#stack.use(
      new DocumentFetcher({
        ...{ bus, log, subject: subjectOf("trustLast", { user }), question: held },
        take: (bytes) => this.#answeredByController(bytes),
      }),
    );
    this.#hearing = this.#stack.use(
      new Liveness({
        clock,
        onChange: (isHeard) => this.#hearingChanged(isHeard),
        onSilence: () => void this.#ask(),
      }),
    );
    this.#shown = this.#stack.use(showTrust(metrics, () => this.isHeard));
    this.#show();
    this.#stack.use(bus.subscribe(SUBJECTS.trustState, ({ data }) => this.#broadcast(data)));
    this.#stack.use(bus.onReconnect(() => void this.#ask()));
    const asking = setInterval(() => {
      if (this.#document !== undefined) clearInterval(asking);
      // While a question is open, a further one would delay the question to the controllers.
      else if (!this.#isAsking) void this.#ask();
    }, ASK_EVERY_MS).unref();
    this.#stack.defer(() => clearInterval(asking));
    void this.#ask();
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
    return this.#listeners.add(listener);
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
      void this.#ask();
    }
    this.#hearing.heard();
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const isAnswered = await this.#scorer.read();
    const { asksControllers = true } = this.#options;
    if (!isAnswered && asksControllers && this.#document === undefined) await this.#controller.read();
    this.#isAsking = false;
  }

  /** What a scorer answers is taken as it stands, unless a broadcast was taken since it was asked. */
  #answered(bytes: Uint8Array): void {
    const next = this.#read(bytes);
    if (next === undefined) return;
    if (this.#taken === this.#takenWhenAsked) this.#hold(next);
    else this.#shown.offered("old");
  }

  #answeredByController(bytes: Uint8Array): void {
    const next = this.#document === undefined ? this.#read(bytes) : undefined;
    if (next !== undefined) this.#hold(next);
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
    this.#listeners.notify();
  }

  #hearingChanged(isHeard: boolean): void {
    const { log } = this.#options;
    if (isHeard) log.info("a trust scorer is heard");
    else log.warn(this.note ?? SILENT);
    this.#show();
  }

  #show(): void {
    const { note } = this;
    const { readiness } = this.#options;
    if (this.#document === undefined) readiness.set("trust", { ok: false, reason: NEVER_HEARD });
    else readiness.set("trust", { ok: true, ...(note !== undefined && { note }) });
  }
}

const NEVER_HEARD = "no trust scorer has told its document yet, and no controller has one";
const SILENT = "no trust scorer is heard any more: what was last known stands";
