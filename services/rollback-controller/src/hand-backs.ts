import { type TokenBucket, takeToken } from "@scbe/runtime";

/** Documents that each user may hand back: each costs a long parse and the check of a signature. */
const HAND_BACKS = { burst: 8, perSecond: 2 };
/** How long a change waits for a document that is announced: it comes with the verifier's next question, and may be a kill. */
const AWAITED_MS = 2000;
/** Until then no further announcement of that user has a change wait. */
const COUNTS_AGAIN_AFTER_MS = 10 * 60_000;

interface Announcement {
  readonly generation: number;
  readonly atMs: number;
}

/** A document that is announced. */
export interface Awaited {
  readonly generation: number;
  /** Until it is waited for no more. */
  readonly forMs: number;
}

/**
 * Documents that verifiers hand back, newer than what is in force, as after a store was restored. A verifier first says that it has
 * one: nothing has signed that, so it moves nothing. But a change made meanwhile could take the place of a kill that is on its way
 * back, so it waits, shortly, and for each user that does not keep its word once in ten minutes.
 */
export class HandBacks {
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #announced = new Map<string, Announcement>();

  /** True when that user may hand a document back now. @param nowMs of a monotonic clock, here and below */
  admit(user: string, nowMs: number): boolean {
    const bucket = takeToken(this.#buckets.get(user), nowMs, HAND_BACKS);
    if (bucket === undefined) return false;
    this.#buckets.set(user, bucket);
    return true;
  }

  /** A verifier of that user says that it holds that generation. False: this counts for nothing, as the last one did. */
  announce(user: string, generation: number, nowMs: number): boolean {
    const last = this.#announced.get(user);
    if (last !== undefined && nowMs - last.atMs < COUNTS_AGAIN_AFTER_MS) return false;
    this.#announced.set(user, { generation, atMs: nowMs });
    return true;
  }

  /** A verifier of that user has shown what it announced. */
  keptWord(user: string): void {
    this.#announced.delete(user);
  }

  /** What a change has to wait for, if it is newer than what is in force. */
  awaited(nowMs: number): Awaited | undefined {
    const due = [...this.#announced.values()].filter(({ atMs }) => nowMs - atMs < AWAITED_MS);
    if (due.length === 0) return undefined;
    return {
      generation: Math.max(...due.map(({ generation }) => generation)),
      forMs: Math.max(...due.map(({ atMs }) => atMs + AWAITED_MS - nowMs)),
    };
  }

  /** Users that have announced a document newer than `generation`, and have not shown it. */
  unshown(generation: number, nowMs: number): readonly string[] {
    return [...this.#announced].flatMap(([user, it]) =>
      it.generation > generation && nowMs - it.atMs < COUNTS_AGAIN_AFTER_MS ? [user] : [],
    );
  }

  /** Forgets all other users. */
  keep(isUser: (user: string) => boolean): void {
    for (const by of [this.#buckets, this.#announced])
      for (const user of by.keys()) if (!isUser(user)) by.delete(user);
  }
}
