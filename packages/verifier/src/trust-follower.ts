import { isDeepStrictEqual } from "node:util";
import { type Bus, DocumentFetcher } from "@scbe/bus";
import {
  type HeldPlace,
  readMessage,
  type StreamPlace,
  SUBJECTS,
  subjectOf,
  TrustDocument,
  type TrustDocumentResult,
} from "@scbe/contracts";
import {
  type Clock,
  counter,
  Listeners,
  type Logger,
  type MetricsRegistry,
  type Readiness,
  watchGauge,
} from "@scbe/runtime";
import { Liveness } from "./liveness.ts";

/** What a process knows of the trust in providers. */
export interface TrustView {
  /** The held document; undefined before the first one: then every provider is trusted. */
  readonly document: TrustDocument | undefined;
  /** Runs `listener` synchronously with each change of the document. */
  onChange(listener: () => void): Disposable;
}

export interface TrustFollowerOptions {
  readonly bus: Pick<Bus, "user" | "exchange" | "subscribe" | "onReconnect">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Logger;
  /** Gets the dependency `trust`: a process is not ready before it holds a document. */
  readonly readiness: Pick<Readiness, "set">;
  /** False for a controller itself, which asks no other controller. Default true. */
  readonly asksControllers?: boolean;
  /** Without it nothing is counted. */
  readonly metrics?: MetricsRegistry;
}

/** Between two requests while no document is held. */
const ASK_EVERY_MS = 1000;
const NO_DOCUMENT = "no trust scorer has sent its document yet, and no controller has one";
const SILENT = "no trust scorer is heard any more: the last known trust applies";

/**
 * Holds the document of the trust scorer. It arrives by broadcast, or from a scorer on request: at start, after each reconnect, while
 * no scorer is heard, and when a broadcast is older than the held document. If no scorer answers, a process without a document takes the one that a
 * controller heard last. Without a scorer the last document applies. A process that never held one is not ready: it would
 * not know of latches.
 */
export class TrustFollower implements TrustView, AsyncDisposable {
  readonly #options: TrustFollowerOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #listeners: Listeners;
  readonly #liveness: Liveness;
  readonly #metrics: TrustMetrics;
  readonly #scorer: DocumentFetcher;
  readonly #controller: DocumentFetcher;
  #document: TrustDocument | undefined;
  /** Counts the broadcasts that were taken: an answer to an earlier request is older than the last of them. */
  #taken = 0;
  #takenWhenAsked = 0;
  #hasWarned = false;
  #isAsking = false;

  constructor(options: TrustFollowerOptions) {
    this.#options = options;
    const { bus, log, clock, metrics } = options;
    const { user } = bus;
    this.#listeners = new Listeners((error) => log.error({ err: error }, "a listener of trust failed"));
    const held = (): HeldPlace => ({ v: 1, stream: this.#document?.stream ?? null });
    this.#scorer = this.#stack.use(
      new DocumentFetcher({
        ...{ bus, log, subject: subjectOf("trustGet", { user }) },
        question: () => {
          this.#takenWhenAsked = this.#taken;
          return held();
        },
        take: (bytes) => this.#takeFromScorer(bytes),
      }),
    );
    this.#controller = this.#stack.use(
      new DocumentFetcher({
        ...{ bus, log, subject: subjectOf("trustLast", { user }), question: held },
        take: (bytes) => this.#takeFromController(bytes),
      }),
    );
    this.#liveness = this.#stack.use(
      new Liveness({
        clock,
        onChange: (isHeard) => this.#livenessChanged(isHeard),
        onSilence: () => void this.#ask(),
      }),
    );
    this.#metrics = this.#stack.use(watchTrust(metrics, () => this.isHeard));
    this.#updateReadiness();
    this.#stack.use(bus.subscribe(SUBJECTS.trustState, ({ data }) => this.#takeBroadcast(data)));
    this.#stack.use(bus.onReconnect(() => void this.#ask()));
    const asking = setInterval(() => {
      if (this.#document !== undefined) clearInterval(asking);
      // A further request to the scorers would delay the one to the controllers.
      else if (!this.#isAsking) void this.#ask();
    }, ASK_EVERY_MS).unref();
    this.#stack.defer(() => clearInterval(asking));
    void this.#ask();
  }

  get document(): TrustDocument | undefined {
    return this.#document;
  }

  /** True while a scorer broadcasts. */
  get isHeard(): boolean {
    return this.#liveness.isHeard;
  }

  /** What operators should know of the held document; undefined if it is current. */
  get note(): string | undefined {
    if (this.#document === undefined) return NO_DOCUMENT;
    return this.isHeard ? undefined : SILENT;
  }

  onChange(listener: () => void): Disposable {
    return this.#listeners.add(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #takeBroadcast(bytes: Uint8Array): void {
    const next = this.#read(bytes);
    if (next === undefined) return;
    if (judgeBroadcast(this.#document, next.stream) === "take") {
      this.#taken += 1;
      this.#hold(next);
    } else {
      this.#metrics.offered("old");
      void this.#ask();
    }
    this.#liveness.heard();
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const isAnswered = await this.#scorer.read();
    const { asksControllers = true } = this.#options;
    if (!isAnswered && asksControllers && this.#document === undefined) await this.#controller.read();
    this.#isAsking = false;
  }

  /** Takes a scorer's answer even if it is older than the held document, unless a broadcast was taken since the request. */
  #takeFromScorer(bytes: Uint8Array): void {
    const next = this.#read(bytes);
    if (next === undefined) return;
    if (this.#taken === this.#takenWhenAsked) this.#hold(next);
    else this.#metrics.offered("old");
  }

  #takeFromController(bytes: Uint8Array): void {
    const next = this.#document === undefined ? this.#read(bytes) : undefined;
    if (next !== undefined) this.#hold(next);
  }

  #read(bytes: Uint8Array): TrustDocument | undefined {
    const document = readTrustDocument(bytes);
    if (document !== undefined) return document;
    this.#metrics.offered("refused");
    if (!this.#hasWarned) this.#options.log.warn("a message is not a valid trust document and was ignored");
    this.#hasWarned = true;
    return undefined;
  }

  #hold(next: TrustDocument): void {
    const isNews = !isDeepStrictEqual(next, this.#document);
    this.#metrics.offered(isNews ? "applied" : "old");
    if (!isNews) return;
    const isFirst = this.#document === undefined;
    this.#document = next;
    if (isFirst) this.#updateReadiness();
    this.#listeners.notify();
  }

  #livenessChanged(isHeard: boolean): void {
    const { log } = this.#options;
    if (isHeard) log.info("a trust scorer is heard");
    else log.warn(this.note ?? SILENT);
    this.#updateReadiness();
  }

  #updateReadiness(): void {
    const { note } = this;
    const { readiness } = this.#options;
    if (this.#document === undefined) readiness.set("trust", { ok: false, reason: NO_DOCUMENT });
    else readiness.set("trust", { ok: true, ...(note !== undefined && { note }) });
  }
}

/** Room for every provider with the longest reason, with each character escaped. */
export const TRUST_DOCUMENT_BYTES_MAX = 512 * 1024;

/** The trust document in the JSON that came over the bus; `undefined` if it is not valid. */
export function readTrustDocument(bytes: Uint8Array): TrustDocument | undefined {
  return readMessage(bytes, TrustDocument, TRUST_DOCUMENT_BYTES_MAX);
}

/**
 * Whether to take a broadcast document. An older one, or one of another stream, comes from a scorer that no longer leads, or from
 * one with a restored stream: only the scorer's stored document can tell.
 */
export function judgeBroadcast(
  held: Pick<TrustDocument, "stream"> | undefined,
  { created, seq }: StreamPlace,
): "take" | "fetch" {
  if (held === undefined) return "take";
  return created === held.stream.created && seq >= held.stream.seq ? "take" : "fetch";
}

interface TrustMetrics extends Disposable {
  offered(result: TrustDocumentResult): void;
}

function watchTrust(metrics: MetricsRegistry | undefined, isHeard: () => boolean): TrustMetrics {
  if (metrics === undefined) return { offered: () => {}, [Symbol.dispose]: () => {} };
  const documents = counter(metrics, "scbe_trust_documents_total");
  const stale = watchGauge(metrics, "scbe_trust_stale", () => [[{}, Number(!isHeard())]]);
  return {
    offered: (result) => documents.inc({ result }),
    [Symbol.dispose]: () => stale[Symbol.dispose](),
  };
}
