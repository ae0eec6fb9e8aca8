import type { Environment, EpochEnd, EpochRecord } from "@scbe/contracts";
import type { Buckets, MakeAnswer, StoredRecord, StoreSight } from "../ports.ts";
import {
  bucketLifeMs,
  coversNow,
  eachMinute,
  type Minutes,
  minutesToCheck,
  minutesToMake,
  type Times,
} from "./times.ts";

/** The calls that a pass makes, one at a time. If one fails, or its outcome is unknown, the pass ends. */
export type Effect =
  | { readonly do: "read" }
  | { readonly do: "look"; readonly epoch: string; readonly minutes: readonly number[] }
  | { readonly do: "make"; readonly buckets: Buckets; readonly store: string | undefined }
  | { readonly do: "write"; readonly record: EpochRecord; readonly revision: number | undefined };

/** The answer to each {@link Effect}. */
export interface Answers {
  readonly read: StoredRecord | undefined;
  readonly look: StoreSight;
  readonly make: MakeAnswer;
  readonly write: boolean;
}

export type PassOutcome =
  /** The record is verified: it is in KV, and the store has its buckets. `started`: why this pass started the epoch. */
  | { readonly serve: true; readonly record: EpochRecord; readonly started?: EpochEnd }
  | { readonly serve: false; readonly why: "store"; readonly reason: string }
  | { readonly serve: false; readonly why: Extract<Step, { do: "stand-by" }>["why"] | "contended" };

export interface PassInputs {
  readonly env: Environment;
  readonly times: Times;
  readonly memory: EpochMemory;
  readonly clock: { now(): number; monotonic(): number };
  /** 16 random bytes as base64url, new ones at each call. */
  readonly drawEpoch: () => string;
}

/** A pass yields its effects; the service carries them out, and a test can let them fail. */
export type EpochPass = Generator<Effect, PassOutcome, Answers[Effect["do"]]>;

/** Lost races in one pass, after which the next pass continues. */
const STEPS_MAX = 4;

/**
 * Brings record and store together until the epoch in force is verified, or this guard has to stand by. Buckets are made in two places only:
 * for an epoch that this pass has drawn and has not published yet, and for the minutes of an extension whose compare-and-set this pass
 * has won.
 */
export function* epochPass(inputs: PassInputs): EpochPass {
  const { memory, clock, times } = inputs;
  for (let steps = 0; steps < STEPS_MAX; steps += 1) {
    const found = yield* call({ do: "read" });
    const stored = found?.record;
    const nowMs = clock.now();
    const minutes = minutesToLookAt(stored, nowMs, times);
    const sight = yield* call({ do: "look", epoch: stored?.epoch ?? "", minutes });
    if (!sight.usable) return { serve: false, why: "store", reason: sight.reason };
    const quietMs = stored === undefined ? 0 : memory.quietMs(stored.epoch, clock.monotonic());
    const step = nextStep({ stored, seen: memory.seen, sight, quietMs, nowMs, times });
    if (stored !== undefined) memory.note(stored);
    if (step.do === "stand-by") return { serve: false, why: step.why };
    if (step.do === "start") {
      const record = yield* startEpoch(inputs, found?.revision);
      if (record !== undefined) return { serve: true, record, started: step.why };
    } else if (step.do === "extend" && stored !== undefined) {
      yield* extendEpoch(inputs, { record: stored, revision: found?.revision }, step.to);
    } else if (stored !== undefined) {
      return { serve: true, record: stored };
    }
  }
  return { serve: false, why: "contended" };
}

/** Buckets first, then the record: if another guard publishes first, these buckets expire unused. */
function* startEpoch(
  { env, times, memory, clock, drawEpoch }: PassInputs,
  revision: number | undefined,
): Generator<Effect, EpochRecord | undefined, Answers[Effect["do"]]> {
  const nowMs = clock.now();
  const minutes = minutesToMake(nowMs, times);
  const epoch = drawEpoch();
  const buckets = bucketsOf(epoch, minutes, nowMs, times);
  const made = yield* call({ do: "make", buckets, store: undefined });
  if (!made.made) return undefined;
  const generation = nextGeneration(memory.seen?.generation, nowMs);
  const record: EpochRecord = { v: 1, env, epoch, generation, store: made.store, ...minutes };
  if (!(yield* call({ do: "write", record, revision }))) return undefined;
  memory.note(record);
  return record;
}

/** The record first, then the buckets: only the guard that has raised `to` by compare-and-set makes them. */
function* extendEpoch(
  { times, memory, clock }: PassInputs,
  { record, revision }: { readonly record: EpochRecord; readonly revision: number | undefined },
  to: number,
): Generator<Effect, void, Answers[Effect["do"]]> {
  const extended = { ...record, to };
  if (!(yield* call({ do: "write", record: extended, revision }))) return;
  memory.note(extended);
  const minutes = { from: record.to + 1, to };
  const buckets = bucketsOf(record.epoch, minutes, clock.now(), times);
  yield* call({ do: "make", buckets, store: record.store });
}

function bucketsOf(epoch: string, minutes: Minutes, nowMs: number, times: Times): Buckets {
  return {
    epoch,
    buckets: eachMinute(minutes).map((minute) => ({ minute, lifeMs: bucketLifeMs(minute, nowMs, times) })),
  };
}

/** Gives the answer the type of its effect. */
function* call<E extends Effect>(effect: E): Generator<Effect, Answers[E["do"]], Answers[Effect["do"]]> {
  return (yield effect) as Answers[E["do"]];
}

/** The next step of a guard about the epoch. */
export type Step =
  | { readonly do: "serve" }
  | { readonly do: "extend"; readonly to: number }
  | { readonly do: "start"; readonly why: EpochEnd }
  /** Leave the queue group: another guard verifies the record, and this one cannot. */
  | { readonly do: "stand-by"; readonly why: Extract<EpochEnd, "other-store" | "out-of-range"> };

export interface Situation {
  /** the record in KV; undefined: none */
  readonly stored: EpochRecord | undefined;
  /** the newest record this guard knows of */
  readonly seen: Seen | undefined;
  readonly sight: Extract<StoreSight, { usable: true }>;
  /** how long no guard has verified the stored record */
  readonly quietMs: number;
  readonly nowMs: number;
  readonly times: Times;
}

/** If no guard has verified the record for this long, a guard that cannot verify it starts another epoch. */
export const QUIET_MS = 1000;

/**
 * The one decision about the epoch. An epoch continues only while its record, its store and every bucket that an envelope may name are
 * intact; a lost bucket is never made again for it.
 */
export function nextStep({ stored, seen, sight, quietMs, nowMs, times }: Situation): Step {
  if (stored === undefined) return { do: "start", why: "no-record" };
  if (isBehind(stored, seen)) return { do: "start", why: "record-behind" };
  if (sight.store !== stored.store) return whenQuiet("other-store", quietMs);
  if (!coversNow(stored, nowMs)) return whenQuiet("out-of-range", quietMs);
  const required = eachMinute(minutesToCheck(stored, nowMs, times));
  if (!required.every((minute) => sight.present.has(minute))) return { do: "start", why: "bucket-missing" };
  if (sight.present.has(stored.to + 1)) return { do: "start", why: "bucket-beyond" };
  const { to } = minutesToMake(nowMs, times);
  return stored.to < to ? { do: "extend", to } : { do: "serve" };
}

/** The minutes whose buckets {@link nextStep} needs to know. */
export function minutesToLookAt(stored: EpochRecord | undefined, nowMs: number, times: Times): number[] {
  if (stored === undefined) return [];
  return [...eachMinute(minutesToCheck(stored, nowMs, times)), stored.to + 1];
}

function whenQuiet(why: Extract<EpochEnd, "other-store" | "out-of-range">, quietMs: number): Step {
  return quietMs >= QUIET_MS ? { do: "start", why } : { do: "stand-by", why };
}

/** The generation of a new epoch: above every one that was seen, and at least the time in ms, so also above those of lost records. */
function nextGeneration(seen: number | undefined, nowMs: number): number {
  return Math.max((seen ?? 0) + 1, Math.floor(nowMs));
}

/** The newest record that a guard knows of, from KV or a broadcast. */
export type Seen = Pick<EpochRecord, "generation" | "epoch" | "to">;

/** Epochs whose last broadcast is remembered. */
const HEARD_MAX = 8;

/** The epochs that one guard has seen since it started. Times are monotonic ms. */
export class EpochMemory {
  readonly #sinceMs: number;
  readonly #heardAtMs = new Map<string, number>();
  #seen: Seen | undefined;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  get seen(): Seen | undefined {
    return this.#seen;
  }

  /** Remembers a record that was read, written or received, if it is newer than the remembered one. */
  note({ generation, epoch, to }: Seen): void {
    const seen = this.#seen;
    if (seen === undefined || generation > seen.generation) this.#seen = { generation, epoch, to };
    else if (generation === seen.generation && epoch === seen.epoch && to > seen.to)
      this.#seen = { ...seen, to };
  }

  /** Remembers a broadcast: a guard has just verified this record. */
  hear(record: Seen, nowMs: number): void {
    this.note(record);
    this.#heardAtMs.delete(record.epoch);
    this.#heardAtMs.set(record.epoch, nowMs);
    const [oldest] = this.#heardAtMs.keys();
    if (this.#heardAtMs.size > HEARD_MAX && oldest !== undefined) this.#heardAtMs.delete(oldest);
  }

  /** How long this guard has received no broadcast of this epoch. */
  quietMs(epoch: string, nowMs: number): number {
    return nowMs - Math.max(this.#heardAtMs.get(epoch) ?? this.#sinceMs, this.#sinceMs);
  }
}

/** True when KV went back to an older record than was seen. Two epochs of one generation are a sign of that, too. */
export function isBehind(stored: Seen, seen: Seen | undefined): boolean {
  if (seen === undefined || stored.generation !== seen.generation) {
    return seen !== undefined && stored.generation < seen.generation;
  }
  return stored.epoch !== seen.epoch || stored.to < seen.to;
}
