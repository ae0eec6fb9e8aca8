import type { Leading } from "@scbe/bus";
import type { TrustDocument, TrustEventResult } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/runtime";
import { type ApplyRules, applyMessage } from "./domain/apply.ts";
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
  /** The current tellers of each provider; a new object when they change. */
  tellers(): Tellers;
  /** Broadcasts. */
  send(document: TrustDocument): void;
  /** Runs for each message that was read. */
  onRead(result: TrustEventResult): void;
  /** Runs after an unreadable stored state was rebuilt, with a description of the new one. */
  onMended(into: string): void;
}

/** Between two writes of the state while there is more to read; after a crash the rest is read again. */
const STORE_MS = 100;
/** Between two broadcasts of an unchanged document. */
const BROADCAST_MS = 500;
/** Between two checks that the published document is readable. */
const CHECK_MS = 5000;

interface Held {
  readonly state: TrustState;
  /** Of the stored state; undefined: none is stored. */
  readonly revision: number | undefined;
}

/**
 * Applies the trust stream, in its order, to the stored state. The stored state names the last number that it contains, so the next leader
 * continues after it, and no message is counted twice or left out. Two scorers that both believe to lead are kept apart by
 * compare-and-set.
 */
export class Scorer {
  readonly #options: ScorerOptions;
  #held: Held | undefined;
  #lag = 0;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  /** The state of the published document. */
  #published: TrustState | undefined;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  readonly #mender: TrustMender;
  /** The tellers of the held state. */
  #tellers: Tellers | undefined;

  constructor(options: ScorerOptions) {
    this.#options = options;
    const { stream, store, leadership, clock } = options;
    this.#mender = new TrustMender({ stream, store, leadership, clock, rules: () => this.#rules() });
  }

  /** The document in force, which is also stored; undefined: not read yet. */
  get document(): TrustDocument | undefined {
    return this.#held && documentOf(this.#held.state);
  }

  /** Messages that the last pass has not applied yet. */
  get lag(): number {
    return this.#lag;
  }

  /** Makes the next pass read the state again, because another scorer may have written it. */
  forget(): void {
    this.#held = undefined;
    this.#published = undefined;
    this.#tellers = undefined;
  }

  /**
   * One pass: applies new messages for up to {@link STORE_MS}, stores the state and publishes the document.
   * @returns true when there is more to apply
   * @throws ScbeError what the store and the stream throw; the next pass then reads the stored state again
   */
  async reconcile(): Promise<boolean> {
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
      await this.#publish(after.state);
      this.#lag = Math.max(0, last - state.stream.seq);
      this.#broadcast(after !== before);
      return this.#lag > 0;
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** The stored state, rebuilt if it is unreadable; undefined: another scorer wrote first. */
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
      this.#logLost(state, { end, messages: batch.length });
      const rules = this.#rules();
      for (const message of batch) {
        const applied = applyMessage(state, message, rules);
        onRead(applied.result);
        ({ state } = applied);
      }
      if (end >= last) return { state: upTo(state, end), last };
    }
    return { state, last };
  }

  /** Missing numbers are messages that the stream dropped at its limits. A scorer that has read nothing yet has not missed them. */
  #logLost({ stream }: TrustState, read: { readonly end: number; readonly messages: number }): void {
    const lost = read.end - stream.seq - read.messages;
    if (stream.seq === 0 || lost <= 0) return;
    this.#options.log.error(
      { lost, upTo: read.end },
      "the trust stream dropped messages before they were read",
    );
  }

  /** A restored stream assigns numbers again that were applied before: its next messages are new. */
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

  #rules(): ApplyRules {
    const { providers, weighing, tellers } = this.#options;
    return { providers, weighing, tellers: tellers() };
  }

  /** undefined: another scorer wrote first. */
  async #store(state: TrustState, revision: number | undefined): Promise<Held | undefined> {
    const next = await this.#options.store.write(state, revision);
    return next === undefined ? undefined : { state, revision: next };
  }

  /**
   * Publishes the document after each write of the state, once as a new leader, because the former one may have stopped in between, and when
   * the published one is unreadable.
   */
  async #publish(state: TrustState): Promise<void> {
    const { store, clock, log } = this.#options;
    const nowMs = clock.monotonic();
    if (this.#published === state) {
      if (nowMs - this.#checkedAtMs < CHECK_MS) return;
      this.#checkedAtMs = nowMs;
      if ((await store.readDocument()) !== undefined) return;
      log.warn("the published trust document could not be read, and is written again");
    }
    await store.writeDocument(documentOf(state));
    this.#published = state;
    this.#checkedAtMs = nowMs;
  }

  #broadcast(isNew: boolean): void {
    const { clock, send, leadership } = this.#options;
    const { document } = this;
    const nowMs = clock.monotonic();
    if (document === undefined || (!isNew && nowMs - this.#sentAtMs < BROADCAST_MS)) return;
    // A scorer that was frozen would broadcast a document that is older than its successor's.
    if (!leadership.leading) return;
    send(document);
    this.#sentAtMs = nowMs;
  }
}
