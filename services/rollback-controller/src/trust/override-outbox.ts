import type { Bus, Leading } from "@scbe/bus";
import { ScbeError } from "@scbe/contracts";
import { type Clock, type Logger, LogLimiter, type Readiness, ReconcileLoop } from "@scbe/runtime";
import type { PendingOverrides } from "../domain/pending-overrides.ts";
import type { TrustOverride } from "../domain/trust-overrides.ts";
import type { OverrideStore } from "../edge/kv-override-store.ts";
import type { Audit } from "../ports.ts";
import type { OverrideRecord } from "./override-record.ts";
import { type Sent, sendOverride } from "./send-override.ts";

export interface OverrideOutboxOptions {
  readonly record: Pick<OverrideRecord, "add" | "read" | "remove">;
  readonly store: Pick<OverrideStore, "watch">;
  readonly bus: Pick<Bus, "user" | "request">;
  readonly leadership: Pick<Leading, "leading" | "onChange">;
  readonly audit: Pick<Audit, "append">;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly log: Logger;
  readonly readiness: Pick<Readiness, "set">;
}

/** From when a word was said, while the scorer answers INTERNAL to it: it is removed then, and audited. */
const GIVE_UP_MS = 24 * 3_600_000;
/** Between two deliveries of the controller that leads, while something waits. */
const TURN_MS = 2000;
/** What `/readyz` calls it. The controller is no less ready while words wait. */
const DEPENDENCY = "words about trust";

/** A word whose acknowledgement is awaited here. */
interface Awaited {
  readonly word: TrustOverride;
  readonly resolve: (seq: number) => void;
  readonly reject: (error: ScbeError) => void;
}

/**
 * Keeps words about trust in the controllers' store until a trust scorer has acknowledged them, and delivers them in their order. The
 * controller that has kept one delivers at once; the one that leads delivers what still waits, whichever controller has kept it. Two may deliver
 * the same word: it counts once.
 */
export class OverrideOutbox implements AsyncDisposable {
  readonly #options: OverrideOutboxOptions;
  readonly #awaited = new Set<Awaited>();
  readonly #stopping = new AbortController();
  readonly #stack = new AsyncDisposableStack();
  readonly #turns: ReconcileLoop;
  readonly #late = new LogLimiter();
  readonly #failed = new LogLimiter();
  /** By the last value that was seen; undefined: it cannot be read. */
  #waiting: number | undefined = 0;
  /** It has begun to lead, and has not read since what waits. */
  #takesOver: boolean;

  constructor(options: OverrideOutboxOptions) {
    this.#options = options;
    const { leadership, store, readiness } = options;
    readiness.set(DEPENDENCY, { ok: true });
    this.#takesOver = leadership.leading;
    this.#turns = this.#stack.use(new ReconcileLoop(() => this.#turn(), TURN_MS));
    this.#stack.use(store.watch((words) => this.#see(words)));
    this.#stack.use(leadership.onChange((leading) => this.#leads(leading)));
    this.#turns.nudge();
  }

  /** Words that wait, as far as this controller knows. */
  get waiting(): number {
    return this.#waiting ?? 0;
  }

  /**
   * Resolves once all of them are stored.
   * @throws ScbeError BUSY when too many wait; NOT_READY when they are not known to be stored
   */
  keep(words: PendingOverrides): Promise<void> {
    return this.#options.record.add(words);
  }

  /**
   * Delivers words that are kept, behind those that wait already, until a trust scorer has acknowledged them or `until` aborts: they stay kept
   * then.
   * @returns the highest of their numbers in the trust stream; undefined when there is no acknowledgement of all of them yet
   * @throws ScbeError CONFLICT when the scorer has refused one: that one is not kept any more
   */
  async acknowledged(words: PendingOverrides, until: AbortSignal): Promise<number | undefined> {
    const own = words.map((word) => ({ word, ...Promise.withResolvers<number>() }));
    const all = Promise.all(own.map((it) => it.promise)).then((numbers) => Math.max(...numbers));
    const { promise: timeUp, resolve } = Promise.withResolvers<undefined>();
    const onTimeUp = (): void => resolve(undefined);
    until.addEventListener("abort", onTimeUp, { once: true });
    if (until.aborted) onTimeUp();
    for (const it of own) this.#awaited.add(it);
    this.#turns.nudge();
    try {
      return await Promise.race([all, timeUp]);
    } finally {
      until.removeEventListener("abort", onTimeUp);
      for (const it of own) this.#awaited.delete(it);
    }
  }

  /** Gives up the delivery that is under way: what waits is stored. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#stack.disposeAsync();
  }

  #see(words: PendingOverrides | undefined): void {
    this.#waiting = words?.length;
    const note = noteOf(this.#waiting);
    this.#options.readiness.set(DEPENDENCY, { ok: true, ...(note !== undefined && { note }) });
  }

  #leads(leading: boolean): void {
    this.#takesOver = leading;
    if (leading) this.#turns.nudge();
  }

  async #turn(): Promise<void> {
    const { record, leadership, log, clock } = this.#options;
    // Taken before the record is read: a word of this list that the record lacks was delivered by another controller.
    const awaited = [...this.#awaited];
    const isDue = leadership.leading && (this.#takesOver || this.#waiting !== 0);
    if (awaited.length === 0 && !isDue) return;
    try {
      const words = await record.read();
      this.#takesOver = false;
      await this.#askAgain(awaited, words);
      await this.#deliver(words);
    } catch (error) {
      this.#failed.note(clock.monotonic(), (count) =>
        log.warn({ err: error, count }, "words about trust can be neither read nor removed now"),
      );
    }
  }

  /** Of awaited words, sends those once more that another controller has delivered: the answer has their numbers. */
  async #askAgain(awaited: readonly Awaited[], words: PendingOverrides): Promise<void> {
    const waiting = new Set(words.map(({ id }) => id));
    for (const { word } of awaited) {
      if (waiting.has(word.id) || this.#stopping.signal.aborted) continue;
      this.#settle(word, await this.#send(word));
    }
  }

  /** In their order. A word that the scorer fails on holds back those about its provider alone, and is given up after {@link GIVE_UP_MS}. */
  async #deliver(words: PendingOverrides): Promise<void> {
    const held = new Set<string>();
    for (const word of words) {
      if (held.has(word.provider)) continue;
      const sent = await this.#send(word);
      if (sent.is !== "waiting") await this.#done(word, sent);
      else if (sent.error.code !== "INTERNAL") return;
      else if (this.#options.clock.now() - word.at < GIVE_UP_MS) held.add(word.provider);
      else await this.#done(word, { is: "refused", error: sent.error });
    }
  }

  async #done(word: TrustOverride, sent: Sent): Promise<void> {
    const isAwaited = [...this.#awaited].some((it) => it.word.id === word.id);
    this.#settle(word, sent);
    const isRemoved = await this.#options.record.remove(word.id);
    if (!isRemoved) return;
    if (sent.is === "refused") this.#tellRefused(word, sent.error);
    else if (!isAwaited) this.#tellDelivered(word);
  }

  async #send(word: TrustOverride): Promise<Sent> {
    const { bus, clock, log } = this.#options;
    const { signal } = this.#stopping;
    const sent = await sendOverride(bus, word, signal);
    if (sent.is === "waiting" && !signal.aborted)
      this.#late.note(clock.monotonic(), (count) =>
        log.warn({ err: sent.error, count }, "words about trust wait for a trust scorer"),
      );
    return sent;
  }

  #settle({ id }: TrustOverride, sent: Sent): void {
    for (const { word, resolve, reject } of this.#awaited) {
      if (word.id !== id) continue;
      if (sent.is === "stored") resolve(sent.seq);
      if (sent.is === "refused") reject(refusalOf(word, sent.error));
    }
  }

  /** Of a word whose asker is not here, or waits no more: its controller may have ended before it could audit it. */
  #tellDelivered({ kind, provider, id, by, reason }: TrustOverride): void {
    const { audit, clock } = this.#options;
    audit.append({
      at: clock.now(),
      action: "trust",
      by,
      reason,
      after: { delivered: { kind, provider, id } },
    });
  }

  #tellRefused(word: TrustOverride, error: ScbeError): void {
    const { audit, clock, log } = this.#options;
    const { kind, provider, id, by } = word;
    const { code } = error;
    log.error({ code, kind, provider, id, by, err: error }, "a trust scorer has refused a word about trust");
    const reason = `${refusalOf(word, error).message}; it was said by ${by}`;
    const after = { refused: { kind, provider, id, code } };
    audit.append({ at: clock.now(), action: "trust", by: "rollback-controller", reason, after });
  }
}

function noteOf(waiting: number | undefined): string | undefined {
  if (waiting === undefined)
    return "the list of waiting words cannot be read; the leading controller mends it";
  return waiting === 0 ? undefined : `words about trust that wait for a trust scorer: ${waiting}`;
}

function refusalOf({ kind, provider }: TrustOverride, { code, message }: ScbeError): ScbeError {
  const says = `the trust scorer has refused the ${kind} of ${provider} (${code}: ${message}), and it is not kept`;
  return new ScbeError("CONFLICT", says);
}
