import { REASON_MAX } from "@scbe/contracts";
import { z } from "zod";

/** Text for people, which goes into signed documents: one line of Unicode that every reader takes for the same. */
export const Reason = z
  .string({ error: "expected text" })
  .max(REASON_MAX, { error: `expected at most ${REASON_MAX} characters` })
  .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), {
    error: "expected one line of text without control characters",
  });

/** A reason that has to be there. */
export const GivenReason = Reason.refine((text) => text.trim() !== "", {
  error: "must say why: it stands in the audit, and is what others see",
});
