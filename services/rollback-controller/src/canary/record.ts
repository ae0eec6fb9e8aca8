import { ACTOR_MAX, CANARY_VERDICTS, Name, REASON_MAX, ScbeError } from "@scbe/contracts";
import { z } from "zod";

/** The canaries of all providers, one each: all of them in one value of the bucket. */
export const CANARIES_MAX = 8;
/** The steps in one canary's history; a step that was repeated after an abort is there twice. */
export const HISTORY_MAX = 8;
/** Characters of a generated text. */
export const TEXT_MAX = 200;
/** Silences that evidence names. */
export const SILENCES_MAX = 4;
/** Steps of one canary. */
export const STEPS_MAX = 8;

export const CRITERION_NAMES = [
  "nonce_reuse",
  "gcm_failure_share",
  "create_p99_ms",
  "verify_p99_ms",
  "phase_skew_p99_ms",
  "clean_requests",
] as const;
export type CriterionName = (typeof CRITERION_NAMES)[number];

/** The shares of a canary in percent, each above the one before. */
export const Steps = z
  .array(z.int().min(1).max(100))
  .min(1)
  .max(STEPS_MAX)
  .refine((steps) => steps.every((share, at) => at === 0 || share > (steps[at - 1] ?? 0)), {
    error: "must rise from step to step",
  });

const Time = z.int().min(0);
const Text = z.string().max(TEXT_MAX);
const Expr = z.string().max(1000);
/** A value of Prometheus: `null` for no series, "NaN" for all that is not finite, since JSON has no such numbers. */
const Value = z.union([z.number(), z.literal("NaN"), z.null()]);

/** One measurement, and everything needed to judge it. */
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
  /** Why Prometheus gave no answer. */
  error: Text.optional(),
});
export type Measurement = z.infer<typeof Measurement>;

/** The silences of alerts that could take this provider out of service, or why they are unknown. */
export const Silences = z.discriminatedUnion("ok", [
  z.strictObject({
    ok: z.literal(true),
    over: z.array(z.strictObject({ id: Text, alerts: z.array(Text).max(16) })).max(SILENCES_MAX),
  }),
  z.strictObject({ ok: z.literal(false), reason: Text }),
]);
export type Silences = z.infer<typeof Silences>;

/** Everything that a decision knows about the outside. */
export const Evidence = z.strictObject({
  /** The window of the expressions in seconds. */
  window_s: z.int().min(0),
  measurements: z.array(Measurement).max(CRITERION_NAMES.length),
  silences: Silences,
  /** ms since the last Watchdog alert; `null`: none is known. */
  watchdog_age_ms: z.number().nullable(),
  /** The reason of the kill of this provider; `null`: it is not killed. */
  killed: z.string().max(REASON_MAX).nullable(),
});
export type Evidence = z.infer<typeof Evidence>;

/** The facts of a step on which a decision depends. */
export const StepFacts = z.strictObject({
  share: z.int(),
  /** `null`: it is the last one. */
  next_share: z.int().nullable(),
  since: Time,
  hold_ms: z.int().min(0),
  /** A person permits 100 % without the required clean requests. */
  override: z.boolean(),
});
export type StepFacts = z.infer<typeof StepFacts>;

/** The outcomes of Argo Rollouts: inconclusive measurements and failed ones (Error) never promote. */
export const OUTCOMES = ["Successful", "Failed", "Inconclusive", "Error"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** A verdict with its reasons and its whole input, so that it can be replayed. */
export const Decision = z.strictObject({
  verdict: z.enum(CANARY_VERDICTS),
  why: z.array(Text).min(1).max(16),
  at: Time,
  step: StepFacts,
  outcomes: z.record(Name, z.enum(OUTCOMES)),
  evidence: Evidence,
});
export type Decision = z.infer<typeof Decision>;

/** A period at one step, and the last decision in it. */
export const StepRecord = z.strictObject({
  step: z.int().min(0),
  share: z.int(),
  since: Time,
  /** `null`: not ended. */
  until: Time.nullable(),
  decision: Decision.nullable(),
});
export type StepRecord = z.infer<typeof StepRecord>;

/**
 * A change of the share that is about to be made. It is stored before the change and removed after it. A controller that finds one knows
 * that the change was made at most once.
 */
export const Intent = z.strictObject({
  kind: z.enum(["raise", "lower"]),
  /** -1: the share before the first step, 0 %. */
  step: z.int().min(-1),
  share: z.int().min(0).max(100),
  /** A raise applies to the document of this generation only. */
  generation: z.int(),
  by: z.string().max(ACTOR_MAX),
  reason: z.string().max(REASON_MAX),
});
export type Intent = z.infer<typeof Intent>;

export const CANARY_STATES = ["running", "paused", "aborted", "done"] as const;
export type CanaryState = (typeof CANARY_STATES)[number];

/** One provider's canary. Times are ms since the Unix epoch. */
export const Canary = z.strictObject({
  provider: Name,
  state: z.enum(CANARY_STATES),
  /** Reason, actor and start of the state. */
  why: z.string().max(REASON_MAX),
  by: z.string().max(ACTOR_MAX),
  since: Time,
  started_at: Time,
  steps: Steps,
  hold_ms: z.int().min(1),
  /** The index of the step whose share is in force; -1: none. */
  step: z.int().min(-1),
  /** A person's permission for one step: see {@link StepFacts}. */
  override: z
    .strictObject({
      step: z.int(),
      by: z.string().max(ACTOR_MAX),
      reason: z.string().max(REASON_MAX),
      at: Time,
    })
    .nullable(),
  intent: Intent.nullable(),
  /** Oldest first. While the canary runs, the last record is that of its current step. */
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

/** The share of a canary's step in percent; 0 before the first step. */
export function shareOf({ steps, step }: Pick<Canary, "steps" | "step">): number {
  return steps[step] ?? 0;
}

/** The history with its current step ended. */
export function closeStep(history: readonly StepRecord[], now: number): StepRecord[] {
  return history.map((record) => (record.until === null ? { ...record, until: now } : record));
}

/**
 * The canaries with this one in place of its provider's. Above the limit, the canary that ended first is dropped.
 * @throws ScbeError CONFLICT when none has ended
 */
export function putCanary({ canaries }: Canaries, canary: Canary): Canaries {
  const kept = { ...canaries, [canary.provider]: canary };
  if (Object.keys(kept).length <= CANARIES_MAX) return { v: 1, canaries: kept };
  const [oldest] = Object.values(canaries)
    .filter(({ state, intent }) => intent === null && (state === "done" || state === "aborted"))
    .sort((a, b) => a.since - b.since);
  if (oldest === undefined)
    throw new ScbeError("CONFLICT", `${CANARIES_MAX} canaries are under way; no more fit beside them`);
  delete kept[oldest.provider];
  return { v: 1, canaries: kept };
}
