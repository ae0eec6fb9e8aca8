import type { Environment, EpochEnd, EpochRecord } from "@scbe/contracts";
import type { Buckets, MakeAnswer, StoredRecord, StoreSight } from "../ports.ts";
import type { EpochMemory } from "./epoch-memory.ts";
import { nextGeneration } from "./next-generation.ts";
import { minutesToLookAt, nextStep, type Step } from "./next-step.ts";
import { bucketLifeMs, eachMinute, type Minutes, minutesToMake, type Times } from "./times.ts";

/** What a turn asks of the world, one at a time. Where it fails, or its outcome is not known, the turn is over. */
export type Effect =
  | { readonly do: "read" }
  | { readonly do: "look"; readonly epoch: string; readonly minutes: readonly number[] }
  | { readonly do: "make"; readonly buckets: Buckets; readonly store: string | undefined }
  | { readonly do: "write"; readonly record: EpochRecord; readonly revision: number | undefined };

/** What the world answers to each {@link Effect}. */
export interface Answers {
  readonly read: StoredRecord | undefined;
  readonly look: StoreSight;
  readonly make: MakeAnswer;
  readonly write: boolean;
}

export type TurnOutcome =
  /** The record is verified: it is in KV, and the store keeps its promise. `started`: by this turn. */
  | { readonly serve: true; readonly record: EpochRecord; readonly started?: EpochEnd }
  | { readonly serve: false; readonly why: "store"; readonly reason: string }
  | { readonly serve: false; readonly why: Extract<Step, { do: "stand-by" }>["why"] | "contended" };

/** What a turn is given of the world beforehand. */
export interface TurnInputs {
  readonly env: Environment;
  readonly times: Times;
  readonly memory: EpochMemory;
  readonly clock: { now(): number; monotonic(): number };
  /** 16 bytes of the system's generator as base64url, other ones at each call. */
  readonly drawEpoch: () => string;
}

/** A turn, to be driven by whoever carries out its effects: the service, or a test that lets them fail. */
export type Turn = Generator<Effect, TurnOutcome, Answers[Effect["do"]]>;

/** Lost races in one turn, after which the next turn goes on. */
const STEPS_MAX = 4;

/**
 * Brings record and store together: whatever this guard has to do until the epoch in force is verified, or it knows that
 * it must stand by. Buckets are made in two places only: for an epoch that this turn has drawn and nobody knows yet, and
 * for the minutes of an extension that this turn's compare-and-set has won.
 */
export function* takeTurn(inputs: TurnInputs): Turn {
  const { memory, clock, times } = inputs;
  for (let steps = 0; steps < STEPS_MAX; steps += 1) {
    const found = yield* ask({ do: "read" });
    const stored = found?.record;
    const nowMs = clock.now();
    const minutes = minutesToLookAt(stored, nowMs, times);
    const sight = yield* ask({ do: "look", epoch: stored?.epoch ?? "", minutes });
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

/** Buckets first, then the record: where another guard publishes first, these buckets expire unused. */
function* startEpoch(
  { env, times, memory, clock, drawEpoch }: TurnInputs,
  revision: number | undefined,
): Generator<Effect, EpochRecord | undefined, Answers[Effect["do"]]> {
  const nowMs = clock.now();
  const minutes = minutesToMake(nowMs, times);
  const epoch = drawEpoch();
  const made = yield* ask({ do: "make", buckets: bucketsOf(epoch, minutes, nowMs, times), store: undefined });
  if (!made.made) return undefined;
  const generation = nextGeneration(memory.seen?.generation, nowMs);
  const record: EpochRecord = { v: 1, env, epoch, generation, store: made.store, ...minutes };
  if (!(yield* ask({ do: "write", record, revision }))) return undefined;
  memory.note(record);
  return record;
}

/** The record first, then the buckets: who has raised `to` by compare-and-set is the only one to make them. */
function* extendEpoch(
  { times, memory, clock }: TurnInputs,
  { record, revision }: { readonly record: EpochRecord; readonly revision: number | undefined },
  to: number,
): Generator<Effect, void, Answers[Effect["do"]]> {
  const extended = { ...record, to };
  if (!(yield* ask({ do: "write", record: extended, revision }))) return;
  memory.note(extended);
  const minutes = { from: record.to + 1, to };
  const buckets = bucketsOf(record.epoch, minutes, clock.now(), times);
  yield* ask({ do: "make", buckets, store: record.store });
}

function bucketsOf(epoch: string, minutes: Minutes, nowMs: number, times: Times): Buckets {
  return {
    epoch,
    buckets: eachMinute(minutes).map((minute) => ({ minute, lifeMs: bucketLifeMs(minute, nowMs, times) })),
  };
}

/** The answer that belongs to the effect; whoever drives the turn gives it. */
function* ask<E extends Effect>(effect: E): Generator<Effect, Answers[E["do"]], Answers[Effect["do"]]> {
  return (yield effect) as Answers[E["do"]];
}
