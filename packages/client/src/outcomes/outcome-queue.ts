import { setTimeout as delay } from "node:timers/promises";
import type { Bus } from "@scbe/bus";
import {
  type ErrorCode,
  errorCode,
  OutcomeReceipt,
  type OutcomeReport,
  type OutcomeReportResult,
  type ReportedEvent,
  readMessage,
  subjectOf,
  TOLD_MAX,
  writeMessage,
} from "@scbe/contracts";
import { backoffMs, type Logger } from "@scbe/runtime";

export interface OutcomeQueueOptions {
  readonly bus: Pick<Bus, "user" | "request" | "onConnection">;
  readonly log: Logger;
  /** What has become of some. */
  onResult(result: OutcomeReportResult, count: number): void;
  /** A report of a provider's integrity is in the trust stream, under this number or a lower one; `undefined`: it was dropped, or where it is was not told. */
  onIntegritySettled(provider: string, seq: number | undefined): void;
}

/** Events that wait for their acknowledgement; of an integrity in doubt there is always room for some more. */
export const WAITING_MAX = 65_536;
const INTEGRITY_WAITING_MAX = WAITING_MAX + 1024;
const TELL_TIMEOUT_MS = 2000;
const RECEIPT_BYTES_MAX = 256;
const RETRY = { firstMs: 100, maxMs: 5000 };
/** To ask again would be answered likewise. */
const HOPELESS: ReadonlySet<ErrorCode> = new Set(["BAD_REQUEST", "FORBIDDEN", "TOO_LARGE"]);

/**
 * Events on their way to the trust scorers, until these have stored each. Nobody waits for that. One that is told twice has one id, and
 * counts once.
 */
export class OutcomeQueue implements AsyncDisposable {
  readonly #options: OutcomeQueueOptions;
  readonly #stopping = new AbortController();
  readonly #following: Disposable;
  /** By provider, each oldest first. */
  readonly #waiting = new Map<string, ReportedEvent[]>();
  #sending: Promise<void> | undefined;
  #isDropping = false;
  /** Why the last telling failed that did. */
  #failure: ErrorCode | undefined;

  constructor(options: OutcomeQueueOptions) {
    this.#options = options;
    this.#following = options.bus.onConnection((connected) => {
      if (!connected) this.#forgetTimeouts();
    });
  }

  get waiting(): number {
    return [...this.#waiting.values()].reduce((sum, { length }) => sum + length, 0);
  }

  add(event: ReportedEvent): void {
    const { waiting } = this;
    if (waiting >= (event.kind === "integrity" ? INTEGRITY_WAITING_MAX : WAITING_MAX)) {
      this.#drop(waiting);
      this.#tellIntegrity(event.provider, [event], undefined);
      return;
    }
    const { provider } = event;
    const before = this.#waiting.get(provider);
    if (before === undefined) this.#waiting.set(provider, [event]);
    else before.push(event);
    this.#sending ??= this.#send();
  }

  /** Tries once more with what waits; what is not stored then is dropped. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#sending;
    this.#following[Symbol.dispose]();
    const lost = this.waiting;
    if (lost === 0) return;
    this.#options.onResult("dropped", lost);
    this.#say("outcomes of requests are lost: no trust scorer stores them", lost);
  }

  async #send(): Promise<void> {
    // One turn later, so that what one turn of this process tells travels together.
    await Promise.resolve();
    let failures = 0;
    while (this.#waiting.size > 0) {
      const isLast = this.#stopping.signal.aborted;
      const told = await Promise.all([...this.#waiting.keys()].map((provider) => this.#tell(provider)));
      const isAllSettled = told.every((isSettled) => isSettled);
      failures = isAllSettled ? 0 : failures + 1;
      if (isAllSettled) continue;
      if (isLast) break;
      if (failures === 1)
        this.#say("outcomes of requests are not stored yet, and are told again", this.waiting);
      const pauseMs = backoffMs(failures, Math.random(), RETRY);
      await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
    this.#sending = undefined;
  }

  /** False: the same is to be told again. */
  async #tell(provider: string): Promise<boolean> {
    const { bus, log, onResult } = this.#options;
    const events = (this.#waiting.get(provider) ?? []).slice(0, TOLD_MAX);
    const telling: OutcomeReport = { v: 1, events };
    try {
      const options = { timeoutMs: TELL_TIMEOUT_MS, traced: false };
      const subject = subjectOf("trustTell", { user: bus.user, provider });
      const { data } = await bus.request(subject, writeMessage(telling), options);
      this.#settle(provider, events, "acknowledged");
      this.#tellIntegrity(provider, events, readMessage(data, OutcomeReceipt, RECEIPT_BYTES_MAX)?.seq);
      this.#isDropping = false;
      return true;
    } catch (error) {
      const code = errorCode(error);
      if (HOPELESS.has(code)) {
        if (!this.#isDropping) log.error({ provider, code }, "outcomes of requests are dropped: refused");
        this.#isDropping = true;
        this.#settle(provider, events, "dropped");
        this.#tellIntegrity(provider, events, undefined);
        return true;
      }
      onResult("failed", events.length);
      this.#failure = code;
      return false;
    }
  }

  #tellIntegrity(provider: string, events: readonly ReportedEvent[], seq: number | undefined): void {
    for (const { kind } of events) if (kind === "integrity") this.#options.onIntegritySettled(provider, seq);
  }

  #settle(provider: string, events: readonly ReportedEvent[], result: OutcomeReportResult): void {
    const settled = new Set(events);
    this.#keep(provider, (event) => !settled.has(event));
    this.#options.onResult(result, events.length);
  }

  /** A link that was dead for some time before it was found to be is no fault of any provider. */
  #forgetTimeouts(): void {
    const before = this.waiting;
    for (const provider of [...this.#waiting.keys()]) {
      this.#keep(provider, (event) => event.kind !== "outcome" || event.result !== "timeout");
    }
    if (before > this.waiting) this.#options.onResult("dropped", before - this.waiting);
  }

  #keep(provider: string, isKept: (event: ReportedEvent) => boolean): void {
    const left = this.#waiting.get(provider)?.filter(isKept) ?? [];
    if (left.length > 0) this.#waiting.set(provider, left);
    else this.#waiting.delete(provider);
  }

  /** A deployment may do without scorers: where there is none, that is nothing to warn of. */
  #say(text: string, count: number): void {
    const code = this.#failure;
    this.#options.log[code === "NO_RESPONDERS" ? "info" : "warn"]({ code, count }, text);
  }

  #drop(waiting: number): void {
    const { onResult, log } = this.#options;
    onResult("dropped", 1);
    if (!this.#isDropping)
      log.error({ waiting }, "outcomes of requests are dropped: too many wait for the trust scorers");
    this.#isDropping = true;
  }
}
