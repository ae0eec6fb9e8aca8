import { NAME_PATTERN } from "@scbe/contracts";
import { NONCE_REUSE_ALERT } from "./triggers.ts";

/** The alert that a kill is about. */
export interface AlertIncident {
  readonly alertname: string;
  readonly provider: string | undefined;
}

const OF_ALERT = /^alert:([A-Za-z_][A-Za-z0-9_]{0,63})(?::(.+))?$/;
const OF_EVENT = /^security event(?::(.+))?$/;

/** By who engaged a kill: the alert it is about, so that the alert and the kill are one incident; `undefined` for a person's. */
export function incidentOf(by: string): AlertIncident | undefined {
  const [alert, event] = [OF_ALERT.exec(by), OF_EVENT.exec(by)];
  const alertname = alert?.[1] ?? (event === null ? undefined : NONCE_REUSE_ALERT);
  const provider = alert?.[2] ?? event?.[1];
  if (alertname === undefined || (provider !== undefined && !NAME_PATTERN.test(provider))) return undefined;
  return { alertname, provider };
}

/**
 * The key of the group in which Alertmanager tells that alert, by the routes of `infra/alertmanager`. Its deduplication key at PagerDuty
 * is the SHA-256 of it, in hex.
 */
export function groupKeyOf({ alertname, provider }: AlertIncident): string {
  const labels = [`alertname="${alertname}"`, ...(provider === undefined ? [] : [`provider="${provider}"`])];
  return `{}/{class="safety"}:{${labels.join(", ")}}`;
}
