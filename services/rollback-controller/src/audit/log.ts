import { setTimeout as delay } from "node:timers/promises";
import type { StoreHost } from "@scbe/bus";
import { type AuditResult, errorCode, ScbeError } from "@scbe/contracts";
import {
  backoffMs,
  type Clock,
  counter,
  type Logger,
  type MetricsRegistry,
  type Readiness,
  watchGauge,
} from "@scbe/runtime";
import { failureFields } from "../failure.ts";
import type { Audit, AuditEntry, AuditRecord } from "../ports.ts";
import { type ChainEnd, chainEntry, fitRecord } from "./chain.ts";
import { type AuditStream, auditStream } from "./stream.ts";

/** Starts the audit. Disposing it stores the waiting records, if the stream takes them within a few seconds. */
export function startAudit(
  host: Pick<StoreHost, "store" | "clock" | "log" | "metrics" | "readiness">,
): Audit & AsyncDisposable & { readonly end: ChainEnd | undefined } {
  const { store, clock, log, metrics, readiness } = host;
  const audit = new AuditLog({
    ...{ clock, log, readiness },
    stream: auditStream(store),
    metrics: auditMetrics(metrics),
  });
  const waiting = watchGauge(metrics, "scbe_audit_waiting", () => [[{}, audit.waiting]]);
  return {
    get end() {
      return audit.end;
    },
    append: (record) => audit.append(record),
    read: (options) => audit.read(options),
    [Symbol.asyncDispose]: async () => {
      await audit[Symbol.asyncDispose]();
      waiting[Symbol.dispose]();
    },
  };
}

export interface AuditMetrics {
  audited(result: AuditResult): void;
}

export function auditMetrics(registry: MetricsRegistry): AuditMetrics {
  const entries = counter(registry, "scbe_audit_entries_total");
  return { audited: (result) => entries.inc({ result }) };
}

export interface AuditLogOptions {
  readonly stream: AuditStream;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: AuditMetrics;
  readonly readiness: Readiness;
}

/** Records that wait to be stored. A further one is dropped, and the loss is recorded once there is room again. */
export const WAITING_MAX = 4096;
/** Entries in one answer. */
export const READ_MAX = 500;
const RETRY = { firstMs: 100, maxMs: 5000 };
/** When the controller stops: records that are not stored by then are lost, and the log says so. */
const DRAIN_MS = 3000;
/** Its name on `/readyz`. The controller is ready without it: a kill does not wait for the audit. */
const DEPENDENCY = "audit stream";

/**
 * The audit: an append-only chain of entries in a stream, which all controllers write. An entry is stored only directly behind the entry
 * that it names, so two controllers cannot fork the chain: the second one chains to the entry of the first.
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

  /** The last known entry in the stream, of any controller; undefined before the stream was read. */
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
      if (this.#dropped === 0) log.error("audit records are dropped from now on: too many are waiting");
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

  /** Reads the end of the chain, then stores the waiting records. */
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
        this.#recordDropped();
        continue;
      }
      failures += 1;
      const pauseMs = backoffMs(failures, Math.random(), RETRY);
      await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
    // Set here, not in a later callback: a record appended in between would wait for a sender that has ended.
    this.#sending = undefined;
  }

  /** The loss of records is itself recorded, in their place, once the stream takes entries again. */
  #recordDropped(): void {
    if (this.#dropped === 0) return;
    const reason = `${this.#dropped} records were dropped while the audit stream took none`;
    this.#waiting.push({ at: this.#options.clock.now(), action: "audit", by: "rollback-controller", reason });
    this.#dropped = 0;
  }

  /** True if it is stored. */
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
      // The log is kept elsewhere: it does not change if the stream is rewritten.
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
    const note = `${errorCode(error)}: ${waiting} audit records wait to be stored`;
    metrics.audited("failed");
    readiness.set(DEPENDENCY, { ok: true, note });
    log.warn({ ...failureFields(error), waiting }, "the audit stream takes no entry now");
  }
}
