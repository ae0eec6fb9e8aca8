import { z } from "zod";

/** Steps that a canary can have. */
export const STEPS_MAX = 8;

/** The shares of a canary in percent, each above the one before. */
export const Steps = z
  .array(z.int().min(1).max(100))
  .min(1)
  .max(STEPS_MAX)
  .refine((steps) => steps.every((share, at) => at === 0 || share > (steps[at - 1] ?? 0)), {
    error: "must rise from step to step",
  });
