import { setTimeout as delay } from "node:timers/promises";
import type { Bucket, BucketEntry } from "@scbe/bus";
import { errorCode, isScbeError, KV_KEYS, ScbeError } from "@scbe/contracts";
import { backoffMs, type Logger, type Readiness } from "@scbe/runtime";
import { failureFields } from "../failure.ts";
import { NO_PROCESSED_ALERTS, type ProcessedAlertsState, readProcessedAlerts } from "./processed-state.ts";

export interface ProcessedAlertsOptions {
  readonly bucket: Bucket;
  readonly log: Logger;
  readonly readiness: Readiness;
}

/** The same object changes nothing. It is pure, because it runs again on a newer state if another controller wrote first. */
export type ProcessedAlertsChange = (state: ProcessedAlertsState) => ProcessedAlertsState;

interface Waiting {
  readonly change: ProcessedAlertsChange;
  readonly resolve: (changed: boolean) => void;
  readonly reject: (error: Error) => void;
}

const WAITING_MAX = 1024;
const RETRY = { firstMs: 50, maxMs: 5000 };
const DRAIN_MS = 2000;
const DEPENDENCY = "rollback record";

/**
 * The processed alerts, which all controllers share through the control bucket. If two controllers make the same change, only one of them
 * gets `true`, and audits it. Nothing urgent waits for it.
 */
export class ProcessedAlerts implements AsyncDisposable {
  readonly #options: ProcessedAlertsOptions;
  readonly #watch: AsyncDisposable;
  readonly #waiting: Waiting[] = [];
  readonly #stopping = new AbortController();
  readonly #whenKnown = Promise.withResolvers<void>();
  #current: ProcessedAlertsState | undefined;
  #revision = 0;
  #writing: Promise<void> | undefined;

  constructor(options: ProcessedAlertsOptions) {
    this.#options = options;
    options.readiness.set(DEPENDENCY, { ok: true, note: "not read yet" });
    this.#watch = options.bucket.watch(KV_KEYS.acted, (entry) => this.#take(entry));
  }

  /** As far as this controller knows; empty until the bucket was read. */
  get current(): ProcessedAlertsState {
    return this.#current ?? NO_PROCESSED_ALERTS;
  }

  /** True once the bucket was read. */
  get known(): boolean {
    return this.#current !== undefined;
  }

  /** Resolves when it is {@link known}; without JetStream, never. */
  get whenKnown(): Promise<void> {
    return this.#whenKnown.promise;
  }

  /**
   * Resolves once the change is stored; with `false` if it changed nothing, for example because another controller had made it.
   * @throws ScbeError BUSY if too many changes wait, ABORTED if the controller stops before it is stored
   */
  update(change: ProcessedAlertsChange): Promise<boolean> {
    if (this.#stopping.signal.aborted) return Promise.reject(stopped());
    if (this.#waiting.length >= WAITING_MAX) {
      return Promise.reject(
        new ScbeError("BUSY", `${WAITING_MAX} changes of the rollback record wait already`),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, resolve, reject });
      this.#writing ??= this.#write();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#stopping.abort(), DRAIN_MS);
    await this.#writing;
    clearTimeout(timer);
    this.#stopping.abort();
    for (const { reject } of this.#waiting.splice(0)) reject(stopped());
    await this.#watch[Symbol.asyncDispose]();
  }

  #take(entry: BucketEntry | undefined): void {
    this.#revision = entry?.revision ?? 0;
    this.#current = this.#read(entry);
    this.#whenKnown.resolve();
    if (this.#writing === undefined) this.#options.readiness.set(DEPENDENCY, { ok: true });
  }

  #read(entry: BucketEntry | undefined): ProcessedAlertsState {
    if (entry === undefined) return NO_PROCESSED_ALERTS;
    const state = readProcessedAlerts(entry.value);
    if (state === undefined) {
      this.#options.log.error("the record of processed alerts is unreadable, and starts anew");
    }
    return state ?? NO_PROCESSED_ALERTS;
  }

  async #write(): Promise<void> {
    let failures = 0;
    while (this.#waiting.length > 0 && !this.#stopping.signal.aborted) {
      const batch = [...this.#waiting];
      try {
        const changed = await this.#store(batch);
        this.#waiting.splice(0, batch.length);
        for (const [index, { resolve }] of batch.entries()) resolve(changed[index] ?? false);
        failures = 0;
        this.#options.readiness.set(DEPENDENCY, { ok: true });
      } catch (error) {
        failures += 1;
        this.#failed(error);
        // The value that another controller has just written is read first: it may include the same change.
        if (failures === 1 && isScbeError(error, "CONFLICT")) continue;
        const pauseMs = backoffMs(failures, Math.random(), RETRY);
        await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
    // Set here, not in a later callback: a change in between would wait for a writer that has ended.
    this.#writing = undefined;
  }

  /** For each change, whether it changed something. @throws ScbeError */
  async #store(batch: readonly Waiting[]): Promise<boolean[]> {
    const { bucket } = this.#options;
    const entry = await bucket.get(KV_KEYS.acted);
    const before = this.#read(entry);
    let state = before;
    const changed = batch.map(({ change }) => {
      const next = change(state);
      const differs = next !== state;
      state = next;
      return differs;
    });
    if (state === before) {
      if (entry !== undefined) this.#remember(before, entry.revision);
      return changed;
    }
    const bytes = Buffer.from(JSON.stringify(state));
    const revision =
      entry === undefined
        ? await bucket.create(KV_KEYS.acted, bytes)
        : await bucket.update(KV_KEYS.acted, bytes, entry.revision);
    this.#remember(state, revision);
    return changed;
  }

  #remember(state: ProcessedAlertsState, revision: number): void {
    if (revision < this.#revision) return;
    this.#revision = revision;
    this.#current = state;
  }

  #failed(error: unknown): void {
    const { log, readiness } = this.#options;
    const code = errorCode(error);
    if (code === "CONFLICT") return;
    readiness.set(DEPENDENCY, { ok: true, note: `${code}: processed alerts are not stored yet` });
    log.warn(failureFields(error), "processed alerts are not stored yet");
  }
}

function stopped(): ScbeError {
  return new ScbeError("ABORTED", "the controller stops");
}
