import { type Canary, HISTORY_MAX, type StepRecord } from "./canary-record.ts";

/** The canary once its intent was carried out: it is at the intent's step. */
export function finishIntent(canary: Canary, now: number): Canary {
  const { intent, steps } = canary;
  if (intent === null) return canary;
  const closed = closeStep(canary.history, now);
  if (intent.kind === "lower") return { ...canary, intent: null, step: intent.step, history: closed };
  const share = steps[intent.step] ?? 0;
  const entered: StepRecord = { step: intent.step, share, since: now, until: null, decision: null };
  const history = [...closed, entered].slice(-HISTORY_MAX);
  return { ...canary, intent: null, step: intent.step, history };
}

/**
 * The canary once it is sure that its intent was not carried out, and never will be: what was decided for it is decided anew; what a
 * person ordered waits for that person.
 */
export function dropIntent(canary: Canary, why: string, now: number): Canary {
  const { intent } = canary;
  if (intent === null) return canary;
  const dropped = { ...canary, intent: null };
  if (intent.by === CANARY_ACTOR) return dropped;
  return { ...dropped, state: "paused", why: `not carried out: ${why}`, by: intent.by, since: now };
}

/** Who makes the changes that a verdict leads to. */
export const CANARY_ACTOR = "canary";

/** The step that goes on has come to its end. */
export function closeStep(history: readonly StepRecord[], now: number): StepRecord[] {
  return history.map((record) => (record.until === null ? { ...record, until: now } : record));
}
