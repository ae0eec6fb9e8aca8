import { randomBytes } from "node:crypto";
import { type Environment, type EpochRecord, isScbeError } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/runtime";
import { EpochMemory } from "./domain/epoch-memory.ts";
import { type Answers, type Effect, type TurnOutcome, takeTurn } from "./domain/take-turn.ts";
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

/** How a turn ended. `failed`: a call to KV or to the store did, and what it would have changed is not known. */
export type TurnReport =
  | TurnOutcome
  | { readonly serve: false; readonly why: "failed"; readonly at: "kv" | "store"; readonly error: unknown };

const EPOCH_BYTES = 16;

/**
 * Keeps the epoch in force: carries out the turns of the protocol. Admitting under {@link inForce} is safe even when it is
 * out of date: its buckets live on one store only, and each of them was made once.
 */
export class EpochKeeper {
  readonly #options: EpochKeeperOptions;
  readonly #memory: EpochMemory;
  #inForce: EpochInForce | undefined;

  constructor(options: EpochKeeperOptions) {
    this.#options = options;
    this.#memory = new EpochMemory(options.clock.monotonic());
  }

  /** The record of the last turn that verified one; `undefined` while this guard stands by. */
  get inForce(): EpochInForce | undefined {
    return this.#inForce;
  }

  /** A guard has said that it has just verified this record. True when it is not the one in force here. */
  hear(record: EpochRecord): boolean {
    this.#memory.hear(record, this.#options.clock.monotonic());
    return record.epoch !== this.#inForce?.record.epoch;
  }

  /** Stops admitting until a turn has verified a record again. */
  standBy(): void {
    this.#inForce = undefined;
  }

  /** One turn; not to be called again before it has settled. Never throws. */
  async turn(): Promise<TurnReport> {
    const report = await this.#drive();
    if (report.serve) this.#serve(report.record);
    else if (report.why !== "failed") this.standBy();
    return report;
  }

  async #drive(): Promise<TurnReport> {
    const { env, times, clock } = this.#options;
    const memory = this.#memory;
    const drawEpoch = (): string => randomBytes(EPOCH_BYTES).toString("base64url");
    const turn = takeTurn({ env, times, memory, clock, drawEpoch });
    let step = turn.next();
    while (!step.done) {
      const effect: Effect = step.value;
      try {
        step = turn.next(await this.#carryOut(effect));
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

/** Not a failure that passes: somebody has to look at what KV holds. */
export function isForeignRecord(report: TurnReport): boolean {
  if (report.serve || report.why !== "failed" || report.at !== "kv") return false;
  return isScbeError(report.error, "FORBIDDEN") || isScbeError(report.error, "INTERNAL");
}
