import { ACTOR_MAX, CANARY_VERDICTS, Name, REASON_MAX } from "@scbe/contracts";
import { z } from "zod";
import { CRITERION_NAMES } from "./criteria.ts";
import { Steps } from "./steps.ts";

/** Canaries that are kept, one a provider: all of them in one value of the bucket. */
export const CANARIES_MAX = 8;
/** Of one canary; a step that is taken again after an abort stands there again. */
export const HISTORY_MAX = 8;
/** Characters of a text that a machine made. */
export const TEXT_MAX = 200;
/** Silences that are named. */
export const SILENCES_MAX = 4;

const Time = z.int().min(0);
const Text = z.string().max(TEXT_MAX);
const Expr = z.string().max(1000);
/** What Prometheus gave: no series is `null`, and what is no finite number is "NaN", since JSON has none. */
const Value = z.union([z.number(), z.literal("NaN"), z.null()]);

/** One measurement, and all that it is judged by. */
export const Measurement = z.strictObject({
  name: z.enum(CRITERION_NAMES),
  judge: z.enum(["limit", "sequential", "requests"]),
  at_once: z.boolean(),
  expr: Expr,
  value: Value,
  limit: z.number(),
  samples_expr: Expr,
  samples: Value,
  samples_min: z.number(),
  /** Why there is no answer. */
  error: Text.optional(),
});
export type Measurement = z.infer<typeof Measurement>;

/** The silences over alerts that could take this provider out of service; or why that is not known. */
export const Silences = z.discriminatedUnion("ok", [
  z.strictObject({
    ok: z.literal(true),
    over: z.array(z.strictObject({ id: Text, alerts: z.array(Text).max(16) })).max(SILENCES_MAX),
  }),
  z.strictObject({ ok: z.literal(false), reason: Text }),
]);
export type Silences = z.infer<typeof Silences>;

/** Everything that a decision knows of the world. */
export const Evidence = z.strictObject({
  /** Seconds that the expressions look back. */
  window_s: z.int().min(0),
  measurements: z.array(Measurement).max(CRITERION_NAMES.length),
  silences: Silences,
  /** ms since the Watchdog alert last came; `null`: it is not known to have ever come. */
  watchdog_age_ms: z.number().nullable(),
  /** What the kill switch says of this provider; `null`: nothing. */
  killed: z.string().max(REASON_MAX).nullable(),
});
export type Evidence = z.infer<typeof Evidence>;

/** Of the step, what a decision depends on. */
export const StepFacts = z.strictObject({
  share: z.int(),
  /** `null`: it is the last one. */
  next_share: z.int().nullable(),
  since: Time,
  hold_ms: z.int().min(0),
  /** A person lets it go to 100 % without the clean requests that it would need. */
  override: z.boolean(),
});
export type StepFacts = z.infer<typeof StepFacts>;

/** As Argo Rollouts has them: what is inconclusive, or could not be measured, never promotes. */
export const OUTCOMES = ["Successful", "Failed", "Inconclusive", "Error"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** A verdict, why, and what it was reached by: enough to reach it again. */
export const Decision = z.strictObject({
  verdict: z.enum(CANARY_VERDICTS),
  why: z.array(Text).min(1).max(16),
  at: Time,
  step: StepFacts,
  outcomes: z.record(Name, z.enum(OUTCOMES)),
  evidence: Evidence,
});
export type Decision = z.infer<typeof Decision>;

/** Some time at one step, and the last decision in it. */
export const StepRecord = z.strictObject({
  step: z.int().min(0),
  share: z.int(),
  since: Time,
  /** `null`: it goes on. */
  until: Time.nullable(),
  decision: Decision.nullable(),
});
export type StepRecord = z.infer<typeof StepRecord>;

/**
 * A change of the share that is about to be made. It is stored before, and gone after, so that whoever finds one knows that it was
 * made or not made, but never twice.
 */
export const Intent = z.strictObject({
  kind: z.enum(["raise", "lower"]),
  /** -1: the share before the first step, 0 %. */
  step: z.int().min(-1),
  share: z.int().min(0).max(100),
  /** A raise is for the document of this generation, and for no later one. */
  generation: z.int(),
  by: z.string().max(ACTOR_MAX),
  reason: z.string().max(REASON_MAX),
});
export type Intent = z.infer<typeof Intent>;

export const CANARY_STATES = ["running", "paused", "aborted", "done"] as const;
export type CanaryState = (typeof CANARY_STATES)[number];

/** One provider's way from step to step. Times are ms since the Unix epoch. */
export const Canary = z.strictObject({
  provider: Name,
  state: z.enum(CANARY_STATES),
  /** Of the state: why, by whom, since when. */
  why: z.string().max(REASON_MAX),
  by: z.string().max(ACTOR_MAX),
  since: Time,
  started_at: Time,
  steps: Steps,
  hold_ms: z.int().min(1),
  /** The step whose share is in force; -1: none. */
  step: z.int().min(-1),
  /** A person's word for one step. */
  override: z
    .strictObject({
      step: z.int(),
      by: z.string().max(ACTOR_MAX),
      reason: z.string().max(REASON_MAX),
      at: Time,
    })
    .nullable(),
  intent: Intent.nullable(),
  /** Oldest first; the last one is that of {@link step} while it runs. */
  history: z.array(StepRecord).max(HISTORY_MAX),
});
export type Canary = z.infer<typeof Canary>;

/** The value of the key `canary`. */
export const Canaries = z.strictObject({
  v: z.literal(1),
  canaries: z
    .record(Name, Canary)
    .refine((it) => Object.keys(it).length <= CANARIES_MAX, "are too many canaries"),
});
export type Canaries = z.infer<typeof Canaries>;

export const NO_CANARIES: Canaries = { v: 1, canaries: {} };
