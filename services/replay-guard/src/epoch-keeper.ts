import { randomBytes } from "node:crypto";
import { type Environment, type EpochRecord, isScbeError } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/runtime";
import { type Answers, type Effect, EpochMemory, epochPass, type PassOutcome } from "./domain/epoch-pass.ts";
import type { Times } from "./domain/times.ts";
import type { RecordStore, ReplayStore } from "./ports.ts";

export interface EpochKeeperOptions {
  readonly store: ReplayStore;
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly env: Environment;
  readonly times: Times;
}

/** The epoch that this guard admits under. */
export interface EpochInForce {
  readonly record: EpochRecord;
  /** {@link EpochRecord.epoch} as bytes. */
  readonly bytes: Buffer;
}

/** The outcome of a pass. `failed`: a call to KV or the store failed, and whether it changed anything is unknown. */
export type PassReport =
  | PassOutcome
  | { readonly serve: false; readonly why: "failed"; readonly at: "kv" | "store"; readonly error: unknown };

const EPOCH_BYTES = 16;

/**
 * Keeps the epoch in force: carries out the passes of the protocol. Admitting under {@link inForce} is safe even when it is out of date,
 * because its buckets exist on one store only, and each of them was made once.
 */
export class EpochKeeper {
  readonly #options: EpochKeeperOptions;
  readonly #memory: EpochMemory;
  #inForce: EpochInForce | undefined;

  constructor(options: EpochKeeperOptions) {
    this.#options = options;
    this.#memory = new EpochMemory(options.clock.monotonic());
  }

  /** The record that the last successful pass verified; undefined while this guard stands by. */
  get inForce(): EpochInForce | undefined {
    return this.#inForce;
  }

  /** Takes the broadcast of a guard that has just verified this record. True when it is not the one in force here. */
  hear(record: EpochRecord): boolean {
    this.#memory.hear(record, this.#options.clock.monotonic());
    return record.epoch !== this.#inForce?.record.epoch;
  }

  /** Stops admitting until a pass has verified a record again. */
  standBy(): void {
    this.#inForce = undefined;
  }

  /** One pass; passes must not overlap. Never throws. */
  async reconcile(): Promise<PassReport> {
    const report = await this.#drive();
    if (report.serve) this.#serve(report.record);
    else if (report.why !== "failed") this.standBy();
    return report;
  }

  async #drive(): Promise<PassReport> {
    const { env, times, clock } = this.#options;
    const memory = this.#memory;
    const drawEpoch = (): string => randomBytes(EPOCH_BYTES).toString("base64url");
    const pass = epochPass({ env, times, memory, clock, drawEpoch });
    let step = pass.next();
    while (!step.done) {
      const effect: Effect = step.value;
      try {
        step = pass.next(await this.#carryOut(effect));
      } catch (error) {
        const at = effect.do === "read" || effect.do === "write" ? "kv" : "store";
        return { serve: false, why: "failed", at, error };
      }
    }
    return step.value;
  }

  #carryOut(effect: Effect): Promise<Answers[Effect["do"]]> {
    const { store, records } = this.#options;
    switch (effect.do) {
      case "read":
        return records.read();
      case "look":
        return store.look(effect.epoch, effect.minutes);
      case "make":
        return store.make(effect.buckets, effect.store);
      case "write":
        return records.write(effect.record, effect.revision);
    }
  }

  #serve(record: EpochRecord): void {
    const before = this.#inForce;
    const bytes =
      before?.record.epoch === record.epoch ? before.bytes : Buffer.from(record.epoch, "base64url");
    this.#inForce = { record, bytes };
    if (bytes === before?.bytes) return;
    const { generation, from, to } = record;
    this.#options.log.info({ generation, from, to }, "the replay epoch in force");
  }
}

/** The record in KV is another environment's: a failure that does not pass by itself. */
export function isForeignRecord(report: PassReport): boolean {
  if (report.serve || report.why !== "failed" || report.at !== "kv") return false;
  return isScbeError(report.error, "FORBIDDEN") || isScbeError(report.error, "INTERNAL");
}
