import { Name } from "@scbe/contracts";
import { z } from "zod";
import { Steps } from "./canary/steps.ts";
import { GivenReason } from "./reason.ts";

export const HOLD_MINUTES_MAX = 1440;

const OfProvider = { provider: Name, reason: GivenReason };

/** Sets a provider's share to the first step, and goes on from there. What is left out is as it is configured. */
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
 * Goes on at the canary's own step, whose share is set and whose time begins anew. `override`: this step may lead to 100 % without
 * the number of clean requests that it would need; of a canary that runs, it changes that alone.
 */
export const ResumeOrder = z.strictObject({ ...OfProvider, override: z.boolean().optional() });
export type ResumeOrder = z.infer<typeof ResumeOrder>;

/** Back to the share of the step before. */
export const AbortOrder = z.strictObject(OfProvider);
export type AbortOrder = z.infer<typeof AbortOrder>;
