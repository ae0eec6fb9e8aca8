import {
  CalibrationEvent,
  ClearingEvent,
  Name,
  NonceReuseEvent,
  PENDING_OVERRIDES_MAX,
  ScbeError,
} from "@scbe/contracts";
import { z } from "zod";
import { GivenReason } from "../api/fields.ts";

const SCORE = { error: "expected a number from 0 to 1" };

/** Body of `POST /admin/scbe/trust`: a person's override of a provider's trust. */
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

/** One part of a person's override, as an event of the trust stream. */
export const TrustOverride = z.discriminatedUnion("kind", [CalibrationEvent, ClearingEvent]);
export type TrustOverride = z.infer<typeof TrustOverride>;

export interface OverrideOrigin {
  readonly by: string;
  /** ms since the Unix epoch */
  readonly at: number;
  newId(): string;
}

/** The events of an override. The clearing comes first, so that a score in the same override takes effect at once. */
export function overrideEvents(
  { provider, trust_score, clears, reason }: TrustBody,
  { by, at, newId }: OverrideOrigin,
): readonly TrustOverride[] {
  const common = { v: 1, provider, at, reason, by } as const;
  return [
    ...(clears === undefined ? [] : [{ ...common, kind: "clearing", id: newId(), clears } as const]),
    ...(trust_score === undefined
      ? []
      : [{ ...common, kind: "calibration", id: newId(), score: trust_score } as const]),
  ];
}

/** Overrides that no trust scorer has acknowledged yet, the oldest first. */
export type PendingOverrides = readonly TrustOverride[];

const Stored = z.strictObject({ v: z.literal(1), words: z.array(TrustOverride).max(PENDING_OVERRIDES_MAX) });

/** The pending overrides with further ones at the end. @throws ScbeError BUSY when there is no room for all of them */
export function withOverrides(pending: PendingOverrides, further: PendingOverrides): PendingOverrides {
  if (pending.length + further.length > PENDING_OVERRIDES_MAX) {
    const says = `${pending.length} trust overrides wait for a trust scorer already, and ${PENDING_OVERRIDES_MAX} are kept at most; nothing of this one was kept, send it again once a scorer runs`;
    throw new ScbeError("BUSY", says);
  }
  return [...pending, ...further];
}

/** The pending overrides without the one of that id; the same object for an unknown id. */
export function withoutOverride(pending: PendingOverrides, id: string): PendingOverrides {
  return pending.some((override) => override.id === id)
    ? pending.filter((override) => override.id !== id)
    : pending;
}

export function encodeOverrides(pending: PendingOverrides): Uint8Array {
  return Buffer.from(JSON.stringify({ v: 1, words: pending }));
}

/** The overrides in a value of the bucket; `undefined` for any other bytes. */
export function readOverrides(bytes: Uint8Array): PendingOverrides | undefined {
  try {
    return Stored.parse(JSON.parse(Buffer.from(bytes).toString("utf8"))).words;
  } catch {
    return undefined;
  }
}
