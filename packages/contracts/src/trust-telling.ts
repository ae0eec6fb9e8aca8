import { z } from "zod";
import { IntegrityEvent, OutcomeEvent } from "./trust.ts";

/** Events in one telling. */
export const TOLD_MAX = 256;
/** Bytes of one telling. */
export const TELLING_BYTES_MAX = 262_144;

/** What a client can tell of a provider. */
export const ToldEvent = z.discriminatedUnion("kind", [
  OutcomeEvent,
  IntegrityEvent.extend({ cause: z.literal("bound_response_fails") }),
]);
export type ToldEvent = z.infer<typeof ToldEvent>;

/**
 * What a client tells the trust scorer of one provider, in the order in which it happened. It is answered when all of it is stored, with nothing; told again
 * under the same ids it counts once.
 */
export const TrustTelling = z.strictObject({
  v: z.literal(1),
  events: z.array(ToldEvent).min(1).max(TOLD_MAX),
});
export type TrustTelling = z.infer<typeof TrustTelling>;
