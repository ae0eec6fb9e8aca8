import { type ControlState, ScbeError } from "@scbe/contracts";
import type { Canary, Intent } from "./canary-record.ts";
import { shareOf } from "./place-of.ts";
import { closeStep } from "./settle-intent.ts";

/** Who orders something, why, and what it is ordered for. */
export interface Ordered {
  readonly by: string;
  readonly reason: string;
  readonly state: ControlState;
  /** ms since the Unix epoch */
  readonly now: number;
}

/** A new canary, about to set its first step's share. @throws ScbeError CONFLICT when one is under way */
export function beginCanary(
  before: Canary | undefined,
  { provider, steps, hold_ms }: Pick<Canary, "provider" | "steps" | "hold_ms">,
  ordered: Ordered,
): Canary {
  if (before?.state === "running" || before?.state === "paused")
    throw new ScbeError("CONFLICT", `the canary of ${provider} is ${before.state}; resume or abort that one`);
  const fresh: Canary = {
    ...{ provider, steps, hold_ms, started_at: ordered.now, step: -1 },
    ...{ override: null, history: [], intent: null, state: "running" as const },
    ...{ why: ordered.reason, by: ordered.by, since: ordered.now },
  };
  return { ...fresh, intent: raiseTo(fresh, 0, ordered) };
}

/** The share stays where it is. @throws ScbeError CONFLICT when it does not run */
export function pauseCanary(canary: Canary, { by, reason, now }: Ordered): Canary {
  if (canary.state !== "running")
    throw new ScbeError("CONFLICT", `the canary of ${canary.provider} is ${canary.state}, and does not run`);
  return { ...canary, state: "paused", why: reason, by, since: now };
}

/** Goes on at its own step, or at the first. @throws ScbeError CONFLICT when it runs, without an override, or is done */
export function resumeCanary(canary: Canary, override: boolean, ordered: Ordered): Canary {
  const { provider, state } = canary;
  if (state === "done" || (state === "running" && !override))
    throw new ScbeError("CONFLICT", `the canary of ${provider} is ${state}; there is nothing to resume`);
  const step = Math.max(0, canary.step);
  const { by, reason, now } = ordered;
  const noted = override ? { ...canary, override: { step, by, reason, at: now } } : canary;
  if (state === "running") return noted;
  const resumed: Canary = { ...noted, state: "running", why: reason, by, since: now };
  return { ...resumed, intent: raiseTo(resumed, step, ordered) };
}

/** Back to the share of the step before. @throws ScbeError CONFLICT when it is at rest already */
export function abortCanary(canary: Canary, { by, reason, state, now }: Ordered): Canary {
  const { provider, step, history } = canary;
  if (canary.state === "aborted" || canary.state === "done")
    throw new ScbeError("CONFLICT", `the canary of ${provider} is ${canary.state} already`);
  const before = { step: Math.max(-1, step - 1), share: shareOf({ ...canary, step: step - 1 }) };
  const intent: Intent = { kind: "lower", ...before, generation: state.generation, by, reason };
  const aborted: Canary = { ...canary, state: "aborted", why: reason, by, since: now, intent };
  return { ...aborted, history: closeStep(history, now) };
}

function raiseTo(canary: Canary, step: number, { by, reason, state: { generation } }: Ordered): Intent {
  return { kind: "raise", step, share: shareOf({ ...canary, step }), generation, by, reason };
}
