import type { Leading } from "@scbe/bus";
import type { TrustDocument, TrustEventResult } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/runtime";
import { applyMessage, type Reading } from "./domain/apply-message.ts";
import { type Tellers, withTellers } from "./domain/tellers.ts";
import {
  documentOf,
  emptyTrust,
  onStream,
  type TrustConfig,
  type TrustState,
  upTo,
} from "./domain/trust-state.ts";
import type { StreamSource, TrustStore } from "./ports.ts";
import { TrustMender } from "./trust-mender.ts";

export interface ScorerOptions {
  readonly stream: StreamSource;
  readonly store: TrustStore;
  readonly leadership: Pick<Leading, "leading">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly providers: ReadonlySet<string>;
  readonly weighing: TrustConfig;
  /** The tellers of each provider now; another object when they have changed. */
  tellers(): Tellers;
  /** Tells readers. */
  send(document: TrustDocument): void;
  onRead(result: TrustEventResult): void;
  /** Once a stored state that could not be read was mended; says into what. */
  onMended(into: string): void;
}

/** Between two stores of the state while there is more to read; what is not stored is read again after a crash. */
const STORE_MS = 100;
/** Between two broadcasts of an unchanged document. */
const BROADCAST_MS = 500;
/** Between two looks whether what readers can look up can still be read. */
const LOOK_MS = 5000;

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
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  readonly #mender: TrustMender;
  /** Those that the held state is for. */
  #tellers: Tellers | undefined;

  constructor(options: ScorerOptions) {
    this.#options = options;
    const { stream, store, leadership, clock } = options;
    this.#mender = new TrustMender({ stream, store, leadership, clock, reading: () => this.#reading() });
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
    this.#tellers = undefined;
  }

  /**
   * Applies what is new, for {@link STORE_MS}, stores it and tells readers.
   * @returns true when there is more to apply
   * @throws ScbeError what the store and the stream throw; then what is stored is read again
   */
  async turn(): Promise<boolean> {
    try {
      const before = this.#held ?? (await this.#open());
      if (before === undefined) return true;
      const { state, last } = await this.#applyNew(before.state);
      const after = state === before.state ? before : await this.#store(state, before.revision);
      if (after === undefined) {
        this.forget();
        return true;
      }
      this.#held = after;
      await this.#show(after.state);
      this.#lag = Math.max(0, last - state.stream.seq);
      this.#broadcast(after !== before);
      return this.#lag > 0;
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** What is stored, mended where it cannot be read; undefined: another scorer wrote first. */
  async #open(): Promise<Held | undefined> {
    const { stream, store, onMended } = this.#options;
    const stored = await store.read();
    if (stored === undefined)
      return { state: emptyTrust((await stream.bounds()).created), revision: undefined };
    if (stored.state !== undefined) return stored;
    const mended = await this.#store(await this.#mender.mend(stored.revision), stored.revision);
    if (mended !== undefined) onMended(`the state at message ${mended.state.stream.seq} of the trust stream`);
    return mended;
  }

  async #applyNew(before: TrustState): Promise<{ readonly state: TrustState; readonly last: number }> {
    const { stream, leadership, clock, onRead } = this.#options;
    const { created, last } = await stream.bounds();
    let state = this.#forTellers(this.#place(onStream(before, created), last));
    const untilMs = clock.monotonic() + STORE_MS;
    while (leadership.leading && clock.monotonic() < untilMs) {
      const batch = await stream.batch(state.stream.seq + 1, last);
      const end = batch.at(-1)?.seq ?? last;
      this.#tellLost(state, { end, messages: batch.length });
      const reading = this.#reading();
      for (const message of batch) {
        const applied = applyMessage(state, message, reading);
        onRead(applied.result);
        ({ state } = applied);
      }
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

  #forTellers(state: TrustState): TrustState {
    const tellers = this.#options.tellers();
    if (tellers === this.#tellers) return state;
    this.#tellers = tellers;
    return withTellers(state, tellers);
  }

  #reading(): Reading {
    const { providers, weighing, tellers } = this.#options;
    return { providers, weighing, tellers: tellers() };
  }

  /** undefined: another scorer wrote first. */
  async #store(state: TrustState, revision: number | undefined): Promise<Held | undefined> {
    const next = await this.#options.store.write(state, revision);
    return next === undefined ? undefined : { state, revision: next };
  }

  /**
   * Shown after each store and once by a new leader, since the former one may have stopped in between; shown again when the stored document
   * cannot be read.
   */
  async #show(state: TrustState): Promise<void> {
    const { store, clock, log } = this.#options;
    const nowMs = clock.monotonic();
    if (this.#shown === state) {
      if (nowMs - this.#lookedAtMs < LOOK_MS) return;
      this.#lookedAtMs = nowMs;
      if ((await store.shown()) !== undefined) return;
      log.warn("the trust document that readers look up could not be read, and is written again");
    }
    await store.show(documentOf(state));
    this.#shown = state;
    this.#lookedAtMs = nowMs;
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
