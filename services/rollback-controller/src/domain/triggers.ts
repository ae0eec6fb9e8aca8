import type { KillCause } from "@scbe/contracts";

/** What an alert leads to. */
export interface Trigger {
  readonly cause: KillCause;
  /** `provider`: of the alert's own provider, or everything where it names none that is known. */
  readonly scope: "all" | "provider";
  /** As notices name what is measured, and its limit. */
  readonly metric: string;
  readonly threshold: string;
}

/** What a reuse of a nonce takes out of the path. */
export type NonceReuseScope = "all" | "provider";

export const NONCE_REUSE_ALERT = "SCBENonceReuse";
export const WATCHDOG_ALERT = "Watchdog";

/**
 * The runbook's four rollback triggers. Every other alert is counted, and does nothing.
 *
 * What somebody gains who makes them fire:
 * - `SCBEGCMFailureRate` counts tags that do not verify, and whoever may publish requests to a provider can send some. At low traffic
 *   five forgeries, spread over a quarter of an hour, are enough. They get that provider's traffic *refused*, never sent in the clear,
 *   and nobody else's: an integrity kill, of one provider. A higher floor would hide a real failure at low traffic; who wants to deny
 *   service with that right can also just flood the subject.
 * - `SCBENonceReuse` takes two envelopes under one session and counter, that is, the key, or a gateway that lies about its admits. It
 *   gains refusals of everything, or of its provider alone with SCBE_NONCE_REUSE_SCOPE=provider.
 * - `SCBEPhaseSkew` and `SCBEHighLatency` observe verified envelopes alone: only who holds keys, or starves a process, can move them.
 *   Their kill is one of availability, so traffic goes unsealed where, and only where, the deployment permits a fallback.
 * - Who has the webhook's token can have everything killed, for either cause. It can never switch anything back on.
 */
export function triggersFor(nonceReuse: NonceReuseScope): ReadonlyMap<string, Trigger> {
  return new Map<string, Trigger>([
    [
      NONCE_REUSE_ALERT,
      { cause: "integrity", scope: nonceReuse, metric: "scbe.nonce_reuse.count", threshold: "1" },
    ],
    [
      "SCBEGCMFailureRate",
      { cause: "integrity", scope: "provider", metric: "scbe.gcm.failures_rate", threshold: "0.5%" },
    ],
    [
      "SCBEPhaseSkew",
      { cause: "availability", scope: "provider", metric: "scbe.phase_skew_ms.p99", threshold: "2000ms" },
    ],
    [
      "SCBEHighLatency",
      { cause: "availability", scope: "provider", metric: "scbe.envelope_verify_ms.p99", threshold: "50ms" },
    ],
  ]);
}
