import { ScbeError } from "@scbe/contracts";
import type { ControlView } from "./verifier/index.ts";

/** How a request travels. */
export type Way = "sealed" | "fallback";

export interface Travelling {
  readonly provider: string;
  readonly requestId: string;
  /** Unsealed traffic is permitted here. */
  readonly fallbackAllowed: boolean;
}

/**
 * How a request is to travel, as control plane and trust have it now.
 * @throws ScbeError SWITCHED_OFF when it is to be refused, or to go unsealed where that is not permitted; DISTRUSTED; NOT_READY
 *   when this process does not know
 */
export function wayOf(control: ControlView, { provider, requestId, fallbackAllowed }: Travelling): Way {
  const route = control.route(provider, requestId);
  if (route.way === "sealed" || (route.way === "fallback" && fallbackAllowed)) return route.way;
  const permitted = route.way === "fallback" ? ", and no fallback is permitted here (SCBE_FALLBACK)" : "";
  throw new ScbeError(CODES[route.why], `${provider}: ${WHY[route.why]}${permitted}`);
}

/** True when the control plane leaves a request a way now. */
export function hasWay(control: ControlView, { provider, requestId, fallbackAllowed }: Travelling): boolean {
  const { way } = control.route(provider, requestId);
  return way === "sealed" || (way === "fallback" && fallbackAllowed);
}

const CODES = {
  kill_switch: "SWITCHED_OFF",
  flag: "SWITCHED_OFF",
  stale: "NOT_READY",
  unknown: "NOT_READY",
  distrusted: "DISTRUSTED",
} as const;
const WHY = {
  kill_switch: "the kill switch is engaged",
  flag: "scbe_envelope_verification leaves this request unsealed (enabled, traffic_percentage)",
  stale: "no controller confirms the control document any more, and the policy is to refuse",
  unknown: "no control document is known yet",
  distrusted: "its integrity is in doubt, until a person clears it (POST /admin/scbe/trust)",
} as const;
