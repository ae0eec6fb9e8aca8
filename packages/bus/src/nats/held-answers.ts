import { Places } from "@scbe/runtime";
import type { BusHeaders } from "../bus.ts";
import { outsideTraces } from "../tracing/spans.ts";

/** An answer that must not be sent yet. It retains nothing of its request but the reply subject. */
export interface HeldAnswer {
  /** The key of its pool: a provider, or a user and a provider. */
  readonly place: string;
  readonly reply: string;
  readonly data: Uint8Array;
  readonly headers: BusHeaders | undefined;
  /** Monotonic ms (`performance.now()`); it is sent at {@link sendingTime} of this. */
  readonly notBefore: number;
}

export interface HeldAnswersPorts {
  send(answer: HeldAnswer): void;
  /** The pool was full: the answer that is due first in it is dropped. */
  dropped(answer: HeldAnswer): void;
}

/** Of one pool. At about 600 bytes each, they take less than 3 MB. */
export const HELD_MAX = 4096;
/** Answers are sent at multiples of this: one timer sends all that became due since the previous one. */
export const STEP_MS = 5;

/**
 * When an answer that must not be sent before `notBefore` is sent. It depends on that time only, so that neither the time that the decision took nor
 * the load of the process is visible.
 */
export function sendingTime(notBefore: number): number {
  return Math.ceil(notBefore / STEP_MS) * STEP_MS;
}

/** Answers that wait for their time, without a handler, a message or a timer each. */
export class HeldAnswers {
  readonly #ports: HeldAnswersPorts;
  /** In the order in which they are due. */
  readonly #queue: HeldAnswer[] = [];
  readonly #places = new Places(HELD_MAX);
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
    if (!this.#places.hasFree(answer.place)) this.#dropFirstOf(answer.place);
    this.#places.take(answer.place);
    const at = this.#positionOf(answer.notBefore);
    this.#queue.splice(at, 0, answer);
    if (at === 0) this.#wait();
  }

  /** Resolves when no answer is held. */
  idle(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Drops all of them. */
  clear(): void {
    for (const answer of this.#queue.splice(0)) this.#drop(answer);
    this.#wait();
  }

  #positionOf(notBefore: number): number {
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
    for (const answer of this.#queue.splice(at, 1)) this.#drop(answer);
  }

  #drop(answer: HeldAnswer): void {
    this.#places.release(answer.place);
    this.#ports.dropped(answer);
  }

  /**
   * Node's timers count whole milliseconds from when they are set. So the last part of the wait takes turns of the event loop; otherwise the time
   * spent before setting the timer would be visible.
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
      this.#places.release(first.place);
      this.#ports.send(first);
    }
    this.#wait();
  };
}
