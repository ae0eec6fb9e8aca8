import type { BusHeaders } from "../bus.ts";
import { outsideTraces } from "../tracing/spans.ts";

/** An answer that is not to be sent yet. It keeps nothing of the request but where its answer goes. */
export interface HeldAnswer {
  /** Whose place its request had: each provider, or each user and provider, has a pool of its own. */
  readonly place: string;
  readonly reply: string;
  readonly data: Uint8Array;
  readonly headers: BusHeaders | undefined;
  /** Monotonic ms (`performance.now()`); it is sent at {@link sendingTime} of this. */
  readonly notBefore: number;
}

export interface HeldAnswersPorts {
  send(answer: HeldAnswer): void;
  /** There was no place for another one: this one, due before all others of its pool, is not sent. */
  dropped(answer: HeldAnswer): void;
}

/** Of one pool. At 600 bytes or so each, this is less than 3 MB. */
export const HELD_MAX = 4096;
/** Answers leave at multiples of this: one wake-up sends all that became due since the one before. */
export const STEP_MS = 5;

/**
 * When what is not to be sent before `notBefore` is sent. It depends on that time alone, so neither what it took to decide on the
 * answer nor what else is under way shows.
 */
export function sendingTime(notBefore: number): number {
  return Math.ceil(notBefore / STEP_MS) * STEP_MS;
}

/** Answers that wait for their time, without a handler, a message or a timer of their own. */
export class HeldAnswers {
  readonly #ports: HeldAnswersPorts;
  /** The one that is due first stands first. */
  readonly #queue: HeldAnswer[] = [];
  readonly #counts = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #onIdle: (() => void) | undefined;

  constructor(ports: HeldAnswersPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#queue.length;
  }

  add(answer: HeldAnswer): void {
    const count = this.#counts.get(answer.place) ?? 0;
    if (count >= HELD_MAX) this.#dropFirstOf(answer.place);
    this.#counts.set(answer.place, Math.min(count + 1, HELD_MAX));
    const at = this.#placeOf(answer.notBefore);
    this.#queue.splice(at, 0, answer);
    if (at === 0) this.#wait();
  }

  /** Resolves when nothing is held. */
  idle(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Forgets all of them, unsent. */
  clear(): void {
    for (const answer of this.#queue.splice(0)) this.#ports.dropped(answer);
    this.#counts.clear();
    this.#wait();
  }

  /** Most answers are due last, so the search mostly ends where it begins. */
  #placeOf(notBefore: number): number {
    let [low, high] = [0, this.#queue.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#queue[middle]?.notBefore ?? Number.POSITIVE_INFINITY) <= notBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #dropFirstOf(place: string): void {
    const at = this.#queue.findIndex((answer) => answer.place === place);
    for (const answer of this.#queue.splice(at, 1)) this.#ports.dropped(answer);
  }

  /**
   * Timers of Node count whole milliseconds, and from when they are set: the last part of the wait goes turn by turn of the event
   * loop, or what was spent before the timer was set would show.
   */
  #wait(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    const [first] = this.#queue;
    if (first === undefined) {
      this.#onIdle?.();
      return;
    }
    const wholeMs = Math.floor(sendingTime(first.notBefore) - performance.now());
    outsideTraces(() => {
      if (wholeMs > 0) this.#timer = setTimeout(this.#onWake, wholeMs);
      else this.#immediate = setImmediate(this.#onWake);
    });
  }

  readonly #onWake = (): void => {
    const now = performance.now();
    for (let [first] = this.#queue; first !== undefined; [first] = this.#queue) {
      if (sendingTime(first.notBefore) > now) break;
      this.#queue.shift();
      this.#count(first.place);
      this.#ports.send(first);
    }
    this.#wait();
  };

  #count(place: string): void {
    const left = (this.#counts.get(place) ?? 0) - 1;
    if (left > 0) this.#counts.set(place, left);
    else this.#counts.delete(place);
  }
}
