import type { Bus } from "@scbe/bus";
import {
  type Environment,
  errorCode,
  KnownEpoch,
  type ReadEpoch,
  SUBJECTS,
  subjectOf,
} from "@scbe/contracts";
import type { Epochs } from "@scbe/envelope";
import type { Clock, Logger, Readiness } from "@scbe/runtime";

export interface EpochFollowerOptions {
  readonly bus: Bus;
  readonly env: Environment;
  readonly clock: Clock;
  readonly log: Logger;
  /** Gets the dependency `epoch`. */
  readonly readiness: Readiness;
}

const ASK_TIMEOUT_MS = 1000;
const ASK_AGAIN_AFTER_MS = 250;
const SILENCE_MS = 2000;
const CHECK_EVERY_MS = 500;

/** The replay epoch that requests are sealed for ({@link KnownEpoch}). Asks the guards at start, after a reconnect and when their broadcasts stop. */
export class EpochFollower implements Epochs, AsyncDisposable {
  readonly #options: EpochFollowerOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #known: KnownEpoch;
  /** One object for as long as the epoch is the same. */
  #epoch: Uint8Array | undefined;
  #text = "";
  #generation = 0;
  /** Monotonic ms of the last valid message of a guard. */
  #heardAt: number;
  #asking: Promise<boolean> | undefined;
  #askingNext: Promise<boolean> | undefined;

  constructor(options: EpochFollowerOptions) {
    this.#options = options;
    const { bus, clock, readiness, env } = options;
    this.#known = new KnownEpoch(env);
    readiness.declare("epoch");
    this.#heardAt = clock.monotonic();
    this.#stack.use(bus.subscribe(SUBJECTS.epoch, ({ data }) => this.#follow(this.#known.hear(data))));
    this.#stack.use(bus.onReconnect(() => void this.ask()));
    const check = setInterval(() => this.#askIfSilent(), CHECK_EVERY_MS).unref();
    this.#stack.defer(() => clearInterval(check));
    void this.ask();
  }

  current(): Uint8Array | undefined {
    return this.#epoch;
  }

  /**
   * Asks for the epoch in force and takes the answer; resolves to `false` without one. A call while a request is open shares the next
   * request: the open one may have been answered before the event that the caller knows of.
   */
  ask(): Promise<boolean> {
    if (this.#asking === undefined) {
      this.#asking = this.#request().finally(() => {
        this.#asking = undefined;
      });
      return this.#asking;
    }
    this.#askingNext ??= this.#asking.then(() => {
      this.#askingNext = undefined;
      return this.ask();
    });
    return this.#askingNext;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #request(): Promise<boolean> {
    const { bus, log } = this.#options;
    try {
      const { data } = await bus.request(subjectOf("epochGet", { user: bus.user }), new Uint8Array(0), {
        timeoutMs: ASK_TIMEOUT_MS,
        againAfterMs: ASK_AGAIN_AFTER_MS,
        traced: false,
      });
      return this.#follow(this.#known.answered(data));
    } catch (error) {
      log.debug({ code: errorCode(error) }, "no guard answered the request for the replay epoch");
      return false;
    }
  }

  /** Adopts the known epoch after a message was read; false if the message was not valid. */
  #follow(read: ReadEpoch): boolean {
    const { readiness, clock, log } = this.#options;
    if (!read.ok) {
      log.warn(
        { reason: read.reason },
        "a replay epoch was ignored: it is malformed, or of another environment",
      );
      return false;
    }
    this.#heardAt = clock.monotonic();
    const { epoch, generation } = this.#known.record ?? read.record;
    if (generation !== this.#generation) log.info({ generation }, "the replay epoch in force");
    if (epoch !== this.#text) this.#epoch = Buffer.from(epoch, "base64url");
    this.#text = epoch;
    this.#generation = generation;
    readiness.set("epoch", { ok: true });
    return true;
  }

  #askIfSilent(): void {
    if (this.#asking === undefined && this.#options.clock.monotonic() - this.#heardAt > SILENCE_MS) {
      void this.ask();
    }
  }
}
