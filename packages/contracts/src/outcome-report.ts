import { z } from "zod";
import { INTEGER_MAX } from "./integers.ts";
import { ReportedEvent } from "./trust.ts";

/** Events in one telling. */
export const TOLD_MAX = 256;
/** Bytes of one telling. */
export const OUTCOME_REPORT_BYTES_MAX = 262_144;

/**
 * What a client tells the trust scorer of one provider, in the order in which it happened. It is answered when all of it is stored, with a {@link OutcomeReceipt};
 * told again under the same ids it counts once.
 */
export const OutcomeReport = z.strictObject({
  v: z.literal(1),
  events: z.array(ReportedEvent).min(1).max(TOLD_MAX),
});
export type OutcomeReport = z.infer<typeof OutcomeReport>;

/** Answer to `scbe.v1.trust.word.<user>`, a calibration or a clearing: the number under which the trust stream has stored it. */
export const TrustOverrideAnswer = z.strictObject({ v: z.literal(1), seq: z.int().min(1).max(INTEGER_MAX) });
/** The answer to a telling. A trust document whose `stream.seq` is not below `seq` has all of it applied. */
export const OutcomeReceipt = z.strictObject({ v: z.literal(1), seq: z.int().min(1).max(INTEGER_MAX) });
export type OutcomeReceipt = z.infer<typeof OutcomeReceipt>;
