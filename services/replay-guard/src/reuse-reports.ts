import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Bus, StoreBus } from "@scbe/bus";
import {
  type AdmitItem,
  type Environment,
  errorCode,
  type NonceReuseEvent,
  subjectOf,
  writeMessage,
} from "@scbe/contracts";
import { backoffMs, type Clock, type Logger } from "@scbe/runtime";
import type { ReplayMetrics } from "./metrics.ts";

export interface ReuseReportsOptions {
  readonly bus: Pick<Bus, "publish">;
  readonly store: Pick<StoreBus, "publishAcknowledged">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ReplayMetrics;
  readonly env: Environment;
}

/** Reports of one provider that wait for their acknowledgement; further ones are dropped and logged. */
const WAITING_MAX = 1024;
const PUBLISH_TIMEOUT_MS = 2000;
const RETRY = { firstMs: 100, maxMs: 5000 };
/** Time to send the waiting reports when the guard stops; the rest is lost and logged. */
const DRAIN_MS = 3000;

/**
 * Broadcasts every nonce reuse, and sends it to the security stream until that acknowledges it. Verdicts do not wait. The same reuse, seen
 * twice, has one id, and so is one event in the stream.
 */
export class ReuseReports implements AsyncDisposable {
  readonly #options: ReuseReportsOptions;
  readonly #waiting: NonceReuseEvent[] = [];
  /** The size of {@link #waiting} by provider. */
  readonly #counts = new Map<string, number>();
  /** Providers whose reports are being dropped: logged once, until a report can wait again. */
  readonly #dropping = new Set<string>();
  readonly #stopping = new AbortController();
  #sending: Promise<void> | undefined;

  constructor(options: ReuseReportsOptions) {
    this.#options = options;
  }

  add(item: AdmitItem, provider: string): void {
    const { env, clock, log, metrics } = this.#options;
    const event = describeReuse(item, provider, env, clock.now());
    const { session, counter } = event;
    const count = this.#counts.get(provider) ?? 0;
    if (count >= WAITING_MAX) {
      metrics.reported("dropped");
      if (!this.#dropping.has(provider)) {
        log.error({ provider, session, counter }, "reports of nonce reuse are dropped: too many are waiting");
      }
      this.#dropping.add(provider);
      return;
    }
    log.error({ provider, session, counter }, "a nonce was used twice");
    this.#dropping.delete(provider);
    this.#counts.set(provider, count + 1);
    this.#waiting.push(event);
    this.#broadcast(event);
    this.#sending ??= this.#send();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#stopping.abort(), DRAIN_MS);
    await this.#sending;
    clearTimeout(timer);
    const { log, metrics } = this.#options;
    for (const _ of this.#waiting) metrics.reported("dropped");
    if (this.#waiting.length > 0)
      log.error({ count: this.#waiting.length }, "reports of nonce reuse are lost");
  }

  async #send(): Promise<void> {
    let failures = 0;
    for (let event = this.#waiting[0]; event !== undefined; event = this.#waiting[0]) {
      if (this.#stopping.signal.aborted) return;
      if (await this.#publish(event)) {
        this.#waiting.shift();
        this.#counts.set(event.provider, (this.#counts.get(event.provider) ?? 1) - 1);
        failures = 0;
        continue;
      }
      failures += 1;
      const pauseMs = backoffMs(failures, Math.random(), RETRY);
      await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
    // Not in a later callback: a report that is added in between would wait for a sender that has ended.
    this.#sending = undefined;
  }

  /** Sent before it is stored, so that the controller can kill at once. If it is lost, the controller reads the stored report. */
  #broadcast(event: NonceReuseEvent): void {
    const { bus, log } = this.#options;
    try {
      bus.publish(subjectOf("nonceReuse", event), writeMessage(event));
    } catch (error) {
      log.warn({ err: error }, "a nonce reuse could not be broadcast");
    }
  }

  /** @returns whether the stream has acknowledged it */
  async #publish(event: NonceReuseEvent): Promise<boolean> {
    const { store, log, metrics } = this.#options;
    try {
      const data = writeMessage(event);
      const options = { id: event.id, timeoutMs: PUBLISH_TIMEOUT_MS };
      await store.publishAcknowledged(subjectOf("nonceReuse", event), data, options);
      metrics.reported("acknowledged");
      return true;
    } catch (error) {
      metrics.reported("failed");
      const code = errorCode(error);
      log.warn(
        { code, waiting: this.#waiting.length },
        "the report of a nonce reuse is not acknowledged yet",
      );
      return false;
    }
  }
}

/** The event: the session by its hash, and an id that is the same when the same reuse is seen again. */
export function describeReuse(
  item: AdmitItem,
  provider: string,
  env: Environment,
  nowMs: number,
): NonceReuseEvent {
  const { sessionId, counter, replayNonce, tag } = item;
  const id = createHash("sha256")
    .update(`${provider}\n${counter}\n`)
    .update(sessionId)
    .update(replayNonce)
    .update(tag)
    .digest("base64url");
  const session = createHash("sha256").update(sessionId).digest().subarray(0, 8).toString("base64url");
  return { v: 1, id, env, provider, session, counter, seen_at: nowMs };
}
