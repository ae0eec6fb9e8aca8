import type { ControlState } from "@scbe/contracts";
import { flagOf } from "./merge-flags.ts";

/** How much of a provider's requests the flags have sealed and verified, from 0 to 1. A kill is not looked at. */
export function sealedShare(
  verification: ControlState["scbe_envelope_verification"],
  provider: string,
): number {
  const { enabled, traffic_percentage } = flagOf(verification, provider);
  return verification.enabled && enabled ? traffic_percentage / 100 : 0;
}
