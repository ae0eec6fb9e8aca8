import { type ControlState, cutText, REASON_MAX } from "@scbe/contracts";
import type { Canary, Decision, Evidence, StepFacts } from "./canary-record.ts";
import { decide } from "./decide.ts";
import { placeOf, shareOf } from "./place-of.ts";
import { CANARY_ACTOR, closeStep } from "./settle-intent.ts";

export interface World {
  readonly state: ControlState;
  readonly evidence: Evidence;
  /** ms since the Unix epoch */
  readonly now: number;
}

/**
 * A running canary's next state. Where that changes the share, it is an intent to do so. Nothing else than the verdict `promote` leads to a
 * raise.
 */
export function advance(canary: Canary, { state, evidence, now }: World): Canary {
  const place = placeOf(canary, state);
  // Whoever sets a share by hand is not to be overruled.
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

/** What a decision depends on, of the step that the canary is at. */
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

/** Comes to rest, by itself. */
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
