import { type KillCause, NAME_PATTERN, type RollbackPath } from "@scbe/contracts";

/** The effect of an alert. */
export interface Trigger {
  readonly cause: KillCause;
  /** `provider`: the provider of the alert, or everything if it names no known one. */
  readonly scope: "all" | "provider";
  /** The measured value and its limit, as notices name them. */
  readonly metric: string;
  readonly threshold: string;
}

/** What a nonce reuse takes out of the path. */
export type NonceReuseScope = "all" | "provider";

export const NONCE_REUSE_ALERT = "SCBENonceReuse";
export const WATCHDOG_ALERT = "Watchdog";

/**
 * The runbook's four rollback triggers. Every other alert is counted and has no effect.
 *
 * What an attacker gains by making them fire:
 * - `SCBEGCMFailureRate` counts tags that do not verify. Any user that may publish requests to a provider can send forged ones; at low
 *   traffic, five within a quarter of an hour are enough. The result is an integrity kill of one provider: its traffic is *refused*, never
 *   sent in the clear. A higher floor would hide a real failure at low traffic, and with the same right an attacker can also flood the subject.
 * - `SCBENonceReuse` takes two envelopes under one session and counter, that is, the key, or a gateway that lies about its admits. The result
 *   is refusal of everything, or of that provider alone with SCBE_NONCE_REUSE_SCOPE=provider.
 * - `SCBEPhaseSkew` and `SCBEHighLatency` observe verified envelopes alone: only the holder of a key, or an attacker that starves a process,
 *   can move them. Their kill is one of availability, so traffic goes unsealed only where the deployment permits a fallback.
 * - The holder of the webhook's token can have everything killed, for either cause. The webhook can never switch anything back on.
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

/** The alert that a kill is about. */
export interface AlertIncident {
  readonly alertname: string;
  readonly provider: string | undefined;
}

const ALERT = "alert";
const EVENT = "security event";
const ALERT_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/** The actor of a kill (`by` in the control document): `alert:<alertname>:<provider>` or `security event:<provider>`. */
export function killActor(path: RollbackPath, { alertname, provider }: AlertIncident): string {
  const source = path === "event" ? EVENT : `${ALERT}:${alertname}`;
  return provider === undefined ? source : `${source}:${provider}`;
}

/** Reverses {@link killActor}, so that the alert and the kill are one incident; `undefined` for a person's kill. */
export function incidentOf(by: string): AlertIncident | undefined {
  const [source, ...names] = by.split(":");
  if (source !== ALERT && source !== EVENT) return undefined;
  const [alertname, provider, ...others] = source === EVENT ? [NONCE_REUSE_ALERT, ...names] : names;
  if (alertname === undefined || !ALERT_NAME.test(alertname) || others.length > 0) return undefined;
  if (provider !== undefined && !NAME_PATTERN.test(provider)) return undefined;
  return { alertname, provider };
}

/**
 * The key of the group in which Alertmanager sends that alert, by the routes of `infra/alertmanager`. Its deduplication key at PagerDuty
 * is the SHA-256 of it, in hex.
 */
export function groupKeyOf({ alertname, provider }: AlertIncident): string {
  const labels = [`alertname="${alertname}"`, ...(provider === undefined ? [] : [`provider="${provider}"`])];
  return `{}/{class="safety"}:{${labels.join(", ")}}`;
}
