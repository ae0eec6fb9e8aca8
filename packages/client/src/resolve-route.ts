import { type ControlState, ScbeError, STATUS } from "@scbe/contracts";
import { killOf, modeOf } from "@scbe/envelope/control";
import type { ControlView } from "@scbe/verifier";

/** How a request travels. */
export type ResolvedRoute = "sealed" | "fallback";

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
export function resolveRoute(
  control: Pick<ControlView, "route">,
  { provider, requestId, fallbackAllowed }: Travelling,
): ResolvedRoute {
  const route = control.route(provider, requestId);
  if (route.way === "sealed" || (route.way === "fallback" && fallbackAllowed)) return route.way;
  const permitted = route.way === "fallback" ? ", and no fallback is permitted here (SCBE_FALLBACK)" : "";
  throw new ScbeError(CODES[route.why], `${provider}: ${WHY[route.why]}${permitted}`);
}

/** True when the control plane leaves a request a way now. */
export function hasRoute(
  control: Pick<ControlView, "route">,
  { provider, requestId, fallbackAllowed }: Travelling,
): boolean {
  const { way } = control.route(provider, requestId);
  return way === "sealed" || (way === "fallback" && fallbackAllowed);
}

/** True when a document sends every request of a provider to fallback. */
export function isAllFallback(state: ControlState, provider: string): boolean {
  const kill = killOf(state, provider);
  if (kill !== undefined) return modeOf(state, kill.cause) === "fallback";
  if (modeOf(state, "flags") !== "fallback") return false;
  const { enabled, providers } = state.scbe_envelope_verification;
  const flag = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  return !enabled || flag?.enabled === false || flag?.traffic_percentage === 0;
}

/** The `scbe-status` of an answer to what travelled so; an answer of any other status is none to it. */
export const ANSWERED_BY = { sealed: STATUS.sealed, fallback: STATUS.unsealed } as const satisfies Record<
  ResolvedRoute,
  string
>;

/**
 * Why a gateway refuses an unsealed request; `undefined`: it takes it, since its own document sends the request to fallback, and nothing
 * else can strip a seal. NOT_READY when this process does not know, as another gateway may; else SWITCHED_OFF.
 */
export function unsealedRefusal(
  control: Pick<ControlView, "route">,
  { provider, requestId, fallbackAllowed }: Travelling,
): ScbeError | undefined {
  const route = control.route(provider, requestId);
  if (fallbackAllowed && route.way === "fallback") return undefined;
  if (fallbackAllowed && route.way === "refused" && CODES[route.why] === "NOT_READY")
    return new ScbeError("NOT_READY", `${provider}: ${WHY[route.why]}`);
  return new ScbeError("SWITCHED_OFF", `${provider}: the control document does not send this to fallback`);
}

/**
 * True while what has travelled so may be answered. Flags say it of requests alone: what was sealed is answered sealed, and what went
 * unsealed comes back unless it is to be refused by now. A kill ends both.
 */
export function mayBeAnswered(
  control: Pick<ControlView, "route" | "permits">,
  way: ResolvedRoute,
  { provider, requestId }: Pick<Travelling, "provider" | "requestId">,
): boolean {
  return way === "sealed"
    ? control.permits("response", provider, requestId)
    : control.route(provider, requestId).way !== "refused";
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
  flag: "scbe_envelope_verification does not seal this request (enabled, traffic_percentage)",
  stale: "no controller confirms the control document any more, and the policy is to refuse",
  unknown: "no control document is known yet",
  distrusted: "its integrity is in doubt, until a person clears it (POST /admin/scbe/trust)",
} as const;
