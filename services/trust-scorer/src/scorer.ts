import type { TrustDocument, TrustEventResult } from "@scbe/contracts";
import type { Clock, Leading, Logger, StoredMessage } from "@scbe/service-kit";
import { apply } from "./domain/apply.ts";
import { readEvent } from "./domain/read-event.ts";
import { documentOf, emptyTrust, onStream, type TrustConfig, type TrustState } from "./domain/trust-state.ts";
import { readBatch } from "./edge/read-batch.ts";
import type { StreamSource, TrustStore } from "./ports.ts";

export interface ScorerOptions {
  readonly stream: StreamSource;
  readonly store: TrustStore;
  readonly leadership: Pick<Leading, "leading">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly providers: ReadonlySet<string>;
  readonly weighing: TrustConfig;
  /** Tells readers. */
  send(document: TrustDocument): void;
  onRead(result: TrustEventResult): void;
}

/** Between two stores of the state while there is more to read; what is not stored is read again after a crash. */
const STORE_MS = 100;
/** Between two broadcasts of an unchanged document. */
const BROADCAST_MS = 500;

interface Held {
  readonly state: TrustState;
  /** Of what is stored; undefined: nothing is. */
  readonly revision: number | undefined;
}

/**
 * Applies the trust stream, in its order, to the stored state. Whoever leads next goes on from what is stored, which is the state after the
 * number that it names: so nothing is counted twice, and nothing is left out. Two that take themselves for the leader write by compare-and-set.
 */
export class Scorer {
  readonly #options: ScorerOptions;
  #held: Held | undefined;
  #lag = 0;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  /** What readers can look up. */
  #shown: TrustState | undefined;

  constructor(options: ScorerOptions) {
    this.#options = options;
  }

  /** What is in force, and stored; undefined: not read yet. */
  get document(): TrustDocument | undefined {
    return this.#held && documentOf(this.#held.state);
  }

  /** Messages that were not applied yet after the last turn. */
  get lag(): number {
    return this.#lag;
  }

  /** Reads the state again before the next turn: another one may have written it. */
  forget(): void {
    this.#held = undefined;
    this.#shown = undefined;
  }

  /**
   * Applies what is new, for {@link STORE_MS}, stores it and tells readers.
   * @returns true when there is more to apply
   * @throws ScbeError what the store and the stream throw; then what is stored is read again
   */
  async turn(): Promise<boolean> {
    try {
      const before = this.#held ?? (await this.#open());
      const { state, last } = await this.#applyNew(before.state);
      const after = state === before.state ? before : await this.#store(state, before.revision);
      this.#held = after;
      if (after === undefined) return true;
      await this.#show(after.state);
      this.#lag = Math.max(0, last - state.stream.seq);
      this.#broadcast(after !== before);
      return this.#lag > 0;
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  async #open(): Promise<Held> {
    const { stream, store } = this.#options;
    const stored = await store.read();
    if (stored !== undefined) return stored;
    return { state: emptyTrust((await stream.bounds()).created), revision: undefined };
  }

  async #applyNew(before: TrustState): Promise<{ readonly state: TrustState; readonly last: number }> {
    const { stream, leadership, clock } = this.#options;
    const { created, last } = await stream.bounds();
    let state = this.#place(onStream(before, created), last);
    const untilMs = clock.monotonic() + STORE_MS;
    while (leadership.leading && clock.monotonic() < untilMs) {
      const batch = await readBatch(stream, state.stream.seq + 1, last);
      const end = batch.at(-1)?.seq ?? last;
      this.#tellLost(state, { end, messages: batch.length });
      for (const message of batch) state = this.#apply(state, message);
      if (end >= last) return { state: upTo(state, end), last };
    }
    return { state, last };
  }

  /** What is not there any more was dropped at the stream's bounds. A scorer that has read nothing yet did not miss it. */
  #tellLost({ stream }: TrustState, read: { readonly end: number; readonly messages: number }): void {
    const lost = read.end - stream.seq - read.messages;
    if (stream.seq === 0 || lost <= 0) return;
    this.#options.log.error(
      { lost, upTo: read.end },
      "the trust stream dropped messages before they were read",
    );
  }

  /** A stream that was restored counts numbers again that were applied before: what it gets from now on is new. */
  #place(state: TrustState, last: number): TrustState {
    if (state.stream.seq <= last) return state;
    this.#options.log.error(
      { applied: state.stream.seq, last },
      "the trust stream ends before what was applied: was it restored?",
    );
    return upTo(state, last);
  }

  #apply(state: TrustState, message: StoredMessage): TrustState {
    const { providers, onRead, weighing } = this.#options;
    const { seq, at } = message;
    const event = readEvent(message, providers);
    onRead(event === undefined ? "bad" : "applied");
    return event === undefined ? upTo(state, seq) : apply(state, { seq, at, event }, weighing);
  }

  /** undefined: another scorer wrote first. */
  async #store(state: TrustState, revision: number | undefined): Promise<Held | undefined> {
    const next = await this.#options.store.write(state, revision);
    return next === undefined ? undefined : { state, revision: next };
  }

  /** After it was stored, and once by whoever begins to lead: the one before may have ended in between. */
  async #show(state: TrustState): Promise<void> {
    if (this.#shown === state) return;
    await this.#options.store.show(documentOf(state));
    this.#shown = state;
  }

  #broadcast(isNew: boolean): void {
    const { clock, send, leadership } = this.#options;
    const { document } = this;
    const nowMs = clock.monotonic();
    if (document === undefined || (!isNew && nowMs - this.#sentAtMs < BROADCAST_MS)) return;
    // One that was frozen since would say what its successor's readers know to be old.
    if (!leadership.leading) return;
    send(document);
    this.#sentAtMs = nowMs;
  }
}

/** With everything up to that number applied. */
function upTo(state: TrustState, seq: number): TrustState {
  return seq === state.stream.seq ? state : { ...state, stream: { ...state.stream, seq } };
}
