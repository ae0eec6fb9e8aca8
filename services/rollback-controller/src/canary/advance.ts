import { type ControlState, cutText, REASON_MAX } from "@scbe/contracts";
import { decide } from "./decide.ts";
import {
  type Canary,
  closeStep,
  type Decision,
  type Evidence,
  HISTORY_MAX,
  type StepFacts,
  type StepRecord,
  shareOf,
} from "./record.ts";
import { placeOf } from "./share.ts";

/** The actor of the changes that follow from a verdict. */
export const CANARY_ACTOR = "canary";

export interface World {
  readonly state: ControlState;
  readonly evidence: Evidence;
  /** ms since the Unix epoch */
  readonly now: number;
}

/** A running canary's next state. A change of the share becomes an intent. Only the verdict `promote` leads to a raise. */
export function advance(canary: Canary, { state, evidence, now }: World): Canary {
  const place = placeOf(canary, state);
  // A share that a person set stays.
  if (place.is === "changed") return rest(canary, "paused", place.why, now);

  const killed = place.is === "killed" ? place.why : null;
  const decision = decide(stepFacts(canary), { ...evidence, killed }, now);
  const decided = withDecision(canary, decision);
  if (decision.verdict === "hold") return decided;
  if (decision.verdict === "abort") return planLower(decided, decision, { state, now });
  if (decision.step.next_share === null) {
    const done = rest(decided, "done", "the last step is over", now);
    return { ...done, history: closeStep(done.history, now) };
  }
  return planRaise(decided, decision, state);
}

/** The facts of the canary's current step. */
export function stepFacts(canary: Canary): StepFacts {
  const { steps, step, hold_ms, override, history } = canary;
  return {
    share: shareOf(canary),
    next_share: steps[step + 1] ?? null,
    since: history.at(-1)?.since ?? canary.since,
    hold_ms,
    override: override?.step === step,
  };
}

/** The canary after its intent was carried out: it is at the intent's step. */
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
 * The canary when its intent was not carried out and cannot be any more. The next pass decides again; after a person's order the canary
 * pauses, and waits for that person.
 */
export function dropIntent(canary: Canary, why: string, now: number): Canary {
  const { intent } = canary;
  if (intent === null) return canary;
  const dropped = { ...canary, intent: null };
  if (intent.by === CANARY_ACTOR) return dropped;
  return { ...dropped, state: "paused", why: `not carried out: ${why}`, by: intent.by, since: now };
}

function rest(canary: Canary, state: "paused" | "done", why: string, now: number): Canary {
  return { ...canary, state, why: clip(why), by: CANARY_ACTOR, since: now };
}

function withDecision(canary: Canary, decision: Decision): Canary {
  const history = canary.history.map((record) => (record.until === null ? { ...record, decision } : record));
  return { ...canary, history };
}

function planRaise(canary: Canary, { step }: Decision, { generation }: ControlState): Canary {
  const reason = `${canary.provider}: promoted from ${step.share} % to ${step.next_share} %`;
  const next = { step: canary.step + 1, share: step.next_share ?? step.share };
  return { ...canary, intent: { kind: "raise", ...next, generation, by: CANARY_ACTOR, reason } };
}

function planLower(canary: Canary, { step, why }: Decision, { state, now }: Omit<World, "evidence">): Canary {
  const before = { step: canary.step - 1, share: shareOf({ ...canary, step: canary.step - 1 }) };
  const reason = clip(
    `${canary.provider}: back from ${step.share} % to ${before.share} %: ${why.join("; ")}`,
  );
  const { generation } = state;
  return {
    ...canary,
    state: "aborted",
    why: clip(why.join("; ")),
    by: CANARY_ACTOR,
    since: now,
    intent: { kind: "lower", ...before, generation, by: CANARY_ACTOR, reason },
  };
}

function clip(text: string): string {
  return cutText(text, REASON_MAX);
}
