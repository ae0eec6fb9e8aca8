import { setTimeout as delay } from "node:timers/promises";
import { errorCode, ScbeError } from "@scbe/contracts";
import { backoffMs, type Clock, type Logger, type Readiness } from "@scbe/runtime";
import { type ChainEnd, chainEntry } from "../domain/audit-chain.ts";
import { fitRecord } from "../domain/fit-record.ts";
import type { AuditStream } from "../edge/audit-stream.ts";
import type { Audit, AuditEntry, AuditRecord } from "../ports.ts";
import type { AuditMetrics } from "./audit-metrics.ts";

export interface AuditLogOptions {
  readonly stream: AuditStream;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: AuditMetrics;
  readonly readiness: Readiness;
}

/** Records that wait to be stored; a further one is dropped, and that audited once there is room again. */
export const WAITING_MAX = 4096;
/** Entries in one answer. */
export const READ_MAX = 500;
const RETRY = { firstMs: 100, maxMs: 5000 };
/** When the controller stops: what is not stored by then is lost, and said so. */
const DRAIN_MS = 3000;
/** What `/readyz` calls it. The controller is no less ready without it: a kill waits for no audit. */
const DEPENDENCY = "audit stream";

/**
 * The audit: an append-only chain of entries in a stream, written by whichever controllers there are. An entry is stored only behind
 * the very one that it names, so that two controllers cannot fork the chain: the second one chains to the entry of the first.
 */
export class AuditLog implements Audit, AsyncDisposable {
  readonly #options: AuditLogOptions;
  readonly #waiting: AuditRecord[] = [];
  readonly #stopping = new AbortController();
  #dropped = 0;
  #end: ChainEnd | undefined;
  #sending: Promise<void> | undefined;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    options.readiness.set(DEPENDENCY, { ok: true });
    this.#sending = this.#begin();
  }

  /** The last entry that is known to be stored, by whichever controller; undefined before the stream was read. */
  get end(): ChainEnd | undefined {
    return this.#end;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  append(record: AuditRecord): void {
    const { log, metrics } = this.#options;
    if (this.#waiting.length >= WAITING_MAX) {
      metrics.audited("dropped");
      if (this.#dropped === 0)
        log.error("an audit record was dropped, as further ones are: too many are waiting");
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(fitRecord(record));
    this.#sending ??= this.#send();
  }

  async read({ limit, before }: { limit: number; before?: number }): Promise<readonly AuditEntry[]> {
    if (!(limit >= 1)) throw new ScbeError("BAD_REQUEST", `limit is at least 1 and at most ${READ_MAX}`);
    return this.#options.stream.read(Math.min(limit, READ_MAX), before ?? Number.MAX_SAFE_INTEGER);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#stopping.abort(), DRAIN_MS);
    await this.#sending;
    clearTimeout(timer);
    const count = this.#waiting.length + this.#dropped;
    for (const _ of this.#waiting) this.#options.metrics.audited("dropped");
    if (count > 0) this.#options.log.error({ count }, "audit records are lost");
  }

  /** Learns where the chain ends, and then stores what waits. */
  async #begin(): Promise<void> {
    const { stream, log } = this.#options;
    try {
      this.#end = await stream.end();
    } catch (error) {
      log.debug({ code: errorCode(error) }, "the audit stream cannot be read yet");
    }
    await this.#send();
  }

  async #send(): Promise<void> {
    let failures = 0;
    for (let record = this.#waiting[0]; record !== undefined; record = this.#waiting[0]) {
      if (this.#stopping.signal.aborted) return;
      if (await this.#store(record)) {
        this.#waiting.shift();
        failures = 0;
        this.#oweDropped();
        continue;
      }
      failures += 1;
      const pauseMs = backoffMs(failures, Math.random(), RETRY);
      await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
    // Here and not by a later callback: what is appended in between would wait for a sender that has ended.
    this.#sending = undefined;
  }

  /** That records are missing is itself recorded, in their place, as soon as the stream takes something again. */
  #oweDropped(): void {
    if (this.#dropped === 0) return;
    const reason = `${this.#dropped} records were dropped while the audit stream took none`;
    this.#waiting.push({ at: this.#options.clock.now(), action: "audit", by: "rollback-controller", reason });
    this.#dropped = 0;
  }

  /** True when it is stored. */
  async #store(record: AuditRecord): Promise<boolean> {
    const { stream, log, metrics, readiness } = this.#options;
    try {
      this.#end ??= await stream.end();
      const entry = chainEntry(record, this.#end);
      if ((await stream.store(entry)) === "taken") {
        this.#end = undefined;
        return false;
      }
      const { seq, hash, action, by } = entry;
      this.#end = { seq, hash };
      // The log is kept elsewhere: a rewrite of the stream does not change it.
      log.info({ seq, hash, action, by }, "audited");
      metrics.audited("stored");
      readiness.set(DEPENDENCY, { ok: true });
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #failed(error: unknown): void {
    const { log, metrics, readiness } = this.#options;
    const waiting = this.#waiting.length;
    const code = errorCode(error);
    metrics.audited("failed");
    readiness.set(DEPENDENCY, { ok: true, note: `${code}: ${waiting} audit records wait to be stored` });
    log.warn(
      { code, waiting, ...(code === "INTERNAL" && { err: error }) },
      "the audit stream takes no entry now",
    );
  }
}
