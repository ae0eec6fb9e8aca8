import type { TrustSeen } from "../domain/show-trust.ts";
import type { TrustBody } from "../domain/trust-body.ts";

/** What the control API has to do with trust. */
export interface TrustPort extends TrustSeen {
  /**
   * Keeps a person's word until a trust scorer has acknowledged it, and waits some seconds until it is in force.
   * @returns whether it is; if not, it is kept and will be
   * @throws ScbeError CONFLICT when another latch stands than the one to be cleared, or the scorer refuses the word; BUSY when too many words
   *   wait; NOT_READY when it is not known what stands, or the store does not take the word
   */
  say(word: TrustBody, by: string): Promise<{ readonly isApplied: boolean }>;
}
