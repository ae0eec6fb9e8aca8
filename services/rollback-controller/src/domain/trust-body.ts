import { Name, NonceReuseEvent } from "@scbe/contracts";
import { z } from "zod";
import type { FieldProblem } from "./field-problems.ts";
import { GivenReason } from "./reason.ts";

const SCORE = { error: "expected a number from 0 to 1" };

/** Body of `POST /admin/scbe/trust`: what a person says of a provider. */
export const TrustBody = z
  .strictObject({
    provider: Name,
    trust_score: z
      .number(SCORE)
      .min(0, SCORE)
      .max(1, SCORE)
      .optional()
      .describe(
        "Its quality. 0 takes it out until the next word; anything above brings it back at once, in full. A latch stays",
      ),
    clears: NonceReuseEvent.shape.id
      .optional()
      .describe("The event that the latch names: that latch is cleared, and no newer one"),
    reason: GivenReason,
  })
  .refine(({ trust_score, clears }) => trust_score !== undefined || clears !== undefined, {
    error: "needs trust_score, or clears, or both",
  })
  .meta({ id: "TrustOverride" });
export type TrustBody = z.infer<typeof TrustBody>;

/** Set where a body names a provider that this deployment does not serve. */
export function unknownProvider(provider: string, providers: readonly string[]): FieldProblem | undefined {
  if (providers.includes(provider)) return undefined;
  return {
    field: "provider",
    problem: `is no provider of this deployment; those are ${providers.join(", ")}`,
  };
}
