import { backoffMs } from "@scbe/runtime";

const RETRY_MS = 250;
/** After refusals in a row: up to half a second at first, as while a server reads its configuration again, 15 to 30 s in the end. */
const REFUSED = { firstMs: 500, maxMs: 30_000 };
/** A long pause is slept in parts, since the library's timer keeps a process alive whose connection was closed meanwhile. */
const PART_MS = 1000;

/**
 * How long a connection that is down waits before its next try: a moment after a plain loss, longer and longer while servers refuse its user.
 * Times are monotonic.
 */
export class ReconnectPause {
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #triedAt = new Map<string, number>();
  #refusals = 0;
  #until = Number.NEGATIVE_INFINITY;

  constructor(now: () => number = () => performance.now(), random: () => number = Math.random) {
    this.#now = now;
    this.#random = random;
  }

  /** A try at `server` begins. Unless the user is refused again, the next one follows soon. */
  tries(server: string): void {
    this.#triedAt.set(server, this.#now());
    this.#until = Number.NEGATIVE_INFINITY;
  }

  /** The server has refused the user. */
  refused(): void {
    this.#refusals += 1;
    this.#until = this.#now() + backoffMs(this.#refusals, this.#random(), REFUSED);
  }

  /** The connection is back. */
  ends(): void {
    this.#refusals = 0;
    this.#until = Number.NEGATIVE_INFINITY;
    this.#triedAt.clear();
  }

  /** What the library asks for before each try: how long ago the last try at a server must be. It asks again after it has slept. */
  waitMs(): number {
    const now = this.#now();
    const left = this.#until - now;
    if (left <= 0) return RETRY_MS + this.#random() * RETRY_MS;
    const oldest = Math.min(now, ...this.#triedAt.values());
    return Math.min(now - oldest + Math.min(left, PART_MS), REFUSED.maxMs);
  }
}
