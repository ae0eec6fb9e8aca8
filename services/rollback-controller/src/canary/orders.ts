import { type ControlState, Name, ScbeError } from "@scbe/contracts";
import { z } from "zod";
import { GivenReason } from "../api/fields.ts";
import { type Canary, closeStep, type Intent, Steps, shareOf } from "./record.ts";

export const HOLD_MINUTES_MAX = 1440;

const OfProvider = { provider: Name, reason: GivenReason };

/** Sets a provider's share to the first step, and begins there. Absent members have their configured values. */
export const StartOrder = z.strictObject({
  ...OfProvider,
  steps: Steps.optional(),
  hold_minutes: z.int().min(1).max(HOLD_MINUTES_MAX).optional(),
});
export type StartOrder = z.infer<typeof StartOrder>;

/** The share stays where it is. */
export const PauseOrder = z.strictObject(OfProvider);
export type PauseOrder = z.infer<typeof PauseOrder>;

/**
 * Continues at the canary's current step: sets its share, and begins its time again. `override` permits this step to lead to 100 % without
 * the required number of clean requests; for a running canary it changes nothing else.
 */
export const ResumeOrder = z.strictObject({ ...OfProvider, override: z.boolean().optional() });
export type ResumeOrder = z.infer<typeof ResumeOrder>;

/** Back to the share of the step before. */
export const AbortOrder = z.strictObject(OfProvider);
export type AbortOrder = z.infer<typeof AbortOrder>;

/** The actor and reason of an order, and the state that it is given for. */
export interface Ordered {
  readonly by: string;
  readonly reason: string;
  readonly state: ControlState;
  /** ms since the Unix epoch */
  readonly now: number;
}

/** A new canary that is about to set its first step's share. @throws ScbeError CONFLICT when one is under way */
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

/** @throws ScbeError CONFLICT when the canary does not run */
export function pauseCanary(canary: Canary, { by, reason, now }: Ordered): Canary {
  if (canary.state !== "running")
    throw new ScbeError("CONFLICT", `the canary of ${canary.provider} is ${canary.state}, and does not run`);
  return { ...canary, state: "paused", why: reason, by, since: now };
}

/** @throws ScbeError CONFLICT when the canary is done, or runs and there is no override */
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

/** @throws ScbeError CONFLICT when the canary has ended */
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
