import { setTimeout as delay } from "node:timers/promises";
import type { Bus } from "@scbe/bus";
import { errorCode, type NonceReuseEvent } from "@scbe/contracts";
import { backoffMs, type Clock, type Logger, type Readiness } from "@scbe/runtime";
import type { ProcessedAlerts } from "../alerts/processed-alerts.ts";
import type { RollbackMetrics } from "../alerts/rollback-metrics.ts";
import type { SignalCrossCheck } from "../alerts/signal-cross-check.ts";
import type { NonceReuseScope } from "../domain/triggers.ts";
import type { SecurityStream, StoredReuse } from "../edge/security-stream.ts";
import type { Audit, ControlPlane } from "../ports.ts";
import { CatchUp } from "./catch-up.ts";

export interface NonceReuseOptions {
  readonly stream: SecurityStream;
  readonly bus: Pick<Bus, "onReconnect">;
  readonly plane: Pick<ControlPlane, "kill">;
  readonly acted: ProcessedAlerts;
  readonly audit: Audit;
  readonly paths: SignalCrossCheck;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RollbackMetrics;
  readonly readiness: Readiness;
  readonly scope: NonceReuseScope;
}

/** Ids of events that are remembered, so that one which arrives and then is read from the stream kills once. */
const IDS_MAX = 4096;
const RETRY = { firstMs: 50, maxMs: 2000 };
/** Tries of one kill. An event that has not killed is read from the stream again. */
const TRIES_MAX = 5;

/**
 * The direct path: a guard's report of a nonce reuse kills, without waiting for Prometheus. What arrives is acted on at once; what
 * was missed is read from the stream, at the start, after each reconnect, and every few seconds.
 */
export class NonceReusePath implements AsyncDisposable {
  readonly #options: NonceReuseOptions;
  /** Events that have killed, or are about to. */
  readonly #killing = new Map<string, Promise<boolean>>();
  readonly #stopping = new AbortController();
  readonly #stack = new AsyncDisposableStack();

  constructor(options: NonceReuseOptions) {
    this.#options = options;
    const catchUp = this.#stack.use(new CatchUp({ ...options, act: (stored) => this.#actOnStored(stored) }));
    this.#stack.use(options.bus.onReconnect(() => catchUp.nudge()));
    this.#stack.use(
      options.stream.listen((event) => {
        void this.#act(event, options.clock.monotonic()).then(() => catchUp.nudge());
      }),
    );
    void options.acted.whenKnown.then(() => catchUp.nudge());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#stack[Symbol.asyncDispose]();
    await Promise.all(this.#killing.values());
  }

  /** True when it was dealt with. */
  async #actOnStored({ event }: StoredReuse): Promise<boolean> {
    return event === undefined || this.#act(event, this.#options.clock.monotonic());
  }

  #act(event: NonceReuseEvent, arrivedAt: number): Promise<boolean> {
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
    const { plane, clock, log, metrics, paths, scope } = this.#options;
    const { provider, session, counter } = event;
    const of = scope === "provider" ? { provider } : {};
    const reason = `nonce reuse at ${provider}: session ${session}, counter ${counter}`;
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      try {
        await plane.kill({ ...of, cause: "integrity" }, { by: `security event:${provider}`, reason });
        const ms = clock.monotonic() - arrivedAt;
        metrics.event(ms);
        log.error({ provider, session, counter, ms: Math.round(ms) }, "a nonce was used twice: killed");
        paths.heard("event", provider);
        return true;
      } catch (error) {
        const code = errorCode(error);
        log.error({ code, provider, tries }, "the kill for a nonce reuse was not sent yet");
        const pauseMs = backoffMs(tries, Math.random(), RETRY);
        await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        if (this.#stopping.signal.aborted) break;
      }
    }
    return false;
  }
}
