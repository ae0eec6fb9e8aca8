import { setTimeout as delay } from "node:timers/promises";
import type { Bus } from "@scbe/bus";
import type { NonceReuseEvent } from "@scbe/contracts";
import { errorCode } from "@scbe/contracts";
import { backoffMs, type Clock, type Logger, type Readiness } from "@scbe/runtime";
import type { RollbackMetrics } from "../alerts/metrics.ts";
import type { ProcessedAlerts } from "../alerts/processed-alerts.ts";
import type { SignalCrossCheck } from "../alerts/signal-cross-check.ts";
import { killActor, NONCE_REUSE_ALERT, type NonceReuseScope } from "../alerts/triggers.ts";
import type { Audit, ControlPlane } from "../ports.ts";
import { CatchUp, type SecurityStream, type StoredReuse } from "./catch-up.ts";

export interface NonceReuseOptions {
  readonly stream: SecurityStream;
  readonly bus: Pick<Bus, "onReconnect">;
  readonly plane: Pick<ControlPlane, "kill">;
  readonly processed: ProcessedAlerts;
  readonly audit: Audit;
  readonly crossCheck: SignalCrossCheck;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RollbackMetrics;
  readonly readiness: Readiness;
  readonly scope: NonceReuseScope;
}

/** Remembered ids of events. An event that arrives and is then read from the stream kills once. */
const IDS_MAX = 4096;
const RETRY = { firstMs: 50, maxMs: 2000 };
/** Tries of one kill. An event that has not killed is read from the stream again. */
const TRIES_MAX = 5;

/**
 * The direct path: a guard's report of a nonce reuse kills without waiting for Prometheus. An event that arrives is processed at once.
 * Missed events are read from the stream: at the start, after each reconnect, and every few seconds.
 */
export class NonceReusePath implements AsyncDisposable {
  readonly #options: NonceReuseOptions;
  /** Events that have killed, or are about to. */
  readonly #killing = new Map<string, Promise<boolean>>();
  readonly #stopping = new AbortController();
  readonly #stack = new AsyncDisposableStack();

  constructor(options: NonceReuseOptions) {
    this.#options = options;
    const catchUp = this.#stack.use(
      new CatchUp({ ...options, process: (stored) => this.#processStored(stored) }),
    );
    this.#stack.use(options.bus.onReconnect(() => catchUp.nudge()));
    this.#stack.use(
      options.stream.listen((event) => {
        void this.#process(event, options.clock.monotonic()).then(() => catchUp.nudge());
      }),
    );
    void options.processed.whenKnown.then(() => catchUp.nudge());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#stack[Symbol.asyncDispose]();
    await Promise.all(this.#killing.values());
  }

  /** True if it needs no further processing. */
  async #processStored({ event }: StoredReuse): Promise<boolean> {
    return event === undefined || this.#process(event, this.#options.clock.monotonic());
  }

  #process(event: NonceReuseEvent, arrivedAt: number): Promise<boolean> {
    const known = this.#killing.get(event.id);
    if (known !== undefined) return known;
    const killing = this.#kill(event, arrivedAt);
    this.#killing.set(event.id, killing);
    void killing.then((killed) => {
      if (!killed) this.#killing.delete(event.id);
    });
    const [oldest] = this.#killing.keys();
    if (this.#killing.size > IDS_MAX && oldest !== undefined) this.#killing.delete(oldest);
    return killing;
  }

  async #kill(event: NonceReuseEvent, arrivedAt: number): Promise<boolean> {
    const { plane, clock, log, metrics, crossCheck, scope } = this.#options;
    const { provider, session, counter } = event;
    const of = scope === "provider" ? { provider } : {};
    const by = killActor("event", { alertname: NONCE_REUSE_ALERT, provider });
    const reason = `nonce reuse at ${provider}: session ${session}, counter ${counter}`;
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      try {
        await plane.kill({ ...of, cause: "integrity" }, { by, reason });
        const ms = clock.monotonic() - arrivedAt;
        metrics.event(ms);
        log.error({ provider, session, counter, ms: Math.round(ms) }, "a nonce was used twice: killed");
        crossCheck.signal("event", provider);
        return true;
      } catch (error) {
        log.error({ code: errorCode(error), provider, tries }, "the kill for a nonce reuse was not sent yet");
        const pauseMs = backoffMs(tries, Math.random(), RETRY);
        await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        if (this.#stopping.signal.aborted) break;
      }
    }
    return false;
  }
}
