import { type TokenBucket, takeToken } from "@scbe/runtime";

/** Documents that each user may hand back: each costs a long parse and the check of a signature. */
const HAND_BACKS = { burst: 8, perSecond: 2 };
/** How long a change waits for an announced document: it comes with the verifier's next request, and may be a kill. */
const AWAITED_MS = 2000;
/** During this time no further announcement of the same user makes a change wait. */
const COUNTS_AGAIN_AFTER_MS = 10 * 60_000;

interface Announcement {
  readonly generation: number;
  readonly atMs: number;
}

/** An announced document. */
export interface Awaited {
  readonly generation: number;
  /** How much longer a change waits for it. */
  readonly forMs: number;
}

/**
 * Documents newer than the one in force that verifiers hand back, for example after the store was restored. A verifier first announces that
 * it holds one. An announcement is unsigned, so it changes nothing. But a change made meanwhile could supersede a kill that is about to
 * be handed back, so the change waits for it: briefly, and at most once in ten minutes for each user that never hands it back.
 */
export class HandBacks {
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #announced = new Map<string, Announcement>();

  /** True if that user may hand a document back now. @param nowMs of a monotonic clock, here and below */
  admit(user: string, nowMs: number): boolean {
    const bucket = takeToken(this.#buckets.get(user), nowMs, HAND_BACKS);
    if (bucket === undefined) return false;
    this.#buckets.set(user, bucket);
    return true;
  }

  /** A verifier of that user says that it holds that generation. False: ignored, because the last announcement still counts. */
  announce(user: string, generation: number, nowMs: number): boolean {
    const last = this.#announced.get(user);
    if (last !== undefined && nowMs - last.atMs < COUNTS_AGAIN_AFTER_MS) return false;
    this.#announced.set(user, { generation, atMs: nowMs });
    return true;
  }

  /** A verifier of that user has handed back what it announced. */
  delivered(user: string): void {
    this.#announced.delete(user);
  }

  /** The document that a change has to wait for, if it is newer than the one in force. */
  awaited(nowMs: number): Awaited | undefined {
    const due = [...this.#announced.values()].filter(({ atMs }) => nowMs - atMs < AWAITED_MS);
    if (due.length === 0) return undefined;
    return {
      generation: Math.max(...due.map(({ generation }) => generation)),
      forMs: Math.max(...due.map(({ atMs }) => atMs + AWAITED_MS - nowMs)),
    };
  }

  /** Users that announced a document newer than `generation` and have not handed it back. */
  outstanding(generation: number, nowMs: number): readonly string[] {
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
