import type { TrustSeen } from "../domain/show-trust.ts";
import type { TrustBody } from "../domain/trust-body.ts";

/** What the control API has to do with trust. */
export interface TrustPort extends TrustSeen {
  /**
   * Hands a person's word to the trust scorer, and waits some seconds until it is in force.
   * @returns whether it is; if not, it stands in the stream and will be
   * @throws ScbeError CONFLICT when another latch stands than the one to be cleared; NOT_READY when it is not known what stands, or the trust
   *   stream does not acknowledge
   */
  say(word: TrustBody, by: string): Promise<{ readonly isApplied: boolean }>;
}
