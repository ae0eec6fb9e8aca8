import { CalibrationEvent, ClearingEvent } from "@scbe/contracts";
import { z } from "zod";
import type { TrustBody } from "./trust-body.ts";

/** What a person says of a provider, as one event of the trust stream. */
export const TrustOverride = z.discriminatedUnion("kind", [CalibrationEvent, ClearingEvent]);
export type TrustOverride = z.infer<typeof TrustOverride>;

export interface Speaking {
  readonly by: string;
  /** ms since the Unix epoch */
  readonly at: number;
  newId(): string;
}

/** The events that a person's word is made of. The latch is cleared first: who gives a score as well sees it in force. */
export function trustOverrides(
  { provider, trust_score, clears, reason }: TrustBody,
  { by, at, newId }: Speaking,
): readonly TrustOverride[] {
  const common = { v: 1, provider, at, reason, by } as const;
  return [
    ...(clears === undefined ? [] : [{ ...common, kind: "clearing", id: newId(), clears } as const]),
    ...(trust_score === undefined
      ? []
      : [{ ...common, kind: "calibration", id: newId(), score: trust_score } as const]),
  ];
}
