import { type ControlState, ScbeError, STATUS } from "@scbe/contracts";
import { killOf, modeOf } from "@scbe/envelope/control";
import type { ControlView } from "@scbe/verifier";

/** How a request travels. */
export type ResolvedRoute = "sealed" | "fallback";

export interface RouteQuery {
  readonly provider: string;
  readonly requestId: string;
  /** `SCBE_FALLBACK` permits unsealed traffic. */
  readonly fallbackAllowed: boolean;
}

/**
 * The route of a request by the current control document and trust.
 * @throws ScbeError SWITCHED_OFF if the request is refused, or is to go unsealed where that is not permitted; DISTRUSTED; NOT_READY
 *   if this process does not know the route
 */
export function resolveRoute(
  control: Pick<ControlView, "route">,
  { provider, requestId, fallbackAllowed }: RouteQuery,
): ResolvedRoute {
  const route = control.route(provider, requestId);
  if (route.way === "sealed" || (route.way === "fallback" && fallbackAllowed)) return route.way;
  const permitted = route.way === "fallback" ? ", and no fallback is permitted here (SCBE_FALLBACK)" : "";
  throw new ScbeError(CODES[route.why], `${provider}: ${REASONS[route.why]}${permitted}`);
}

/** True if {@link resolveRoute} finds a route. */
export function hasRoute(
  control: Pick<ControlView, "route">,
  { provider, requestId, fallbackAllowed }: RouteQuery,
): boolean {
  const { way } = control.route(provider, requestId);
  return way === "sealed" || (way === "fallback" && fallbackAllowed);
}

/** True if the control document sends every request of the provider to fallback. */
export function isAllFallback(state: ControlState, provider: string): boolean {
  const kill = killOf(state, provider);
  if (kill !== undefined) return modeOf(state, kill.cause) === "fallback";
  if (modeOf(state, "flags") !== "fallback") return false;
  const { enabled, providers } = state.scbe_envelope_verification;
  const flag = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  return !enabled || flag?.enabled === false || flag?.traffic_percentage === 0;
}

/** The `scbe-status` that the answer must have; a reply with another one is ignored. */
export const ANSWERED_BY = { sealed: STATUS.sealed, fallback: STATUS.unsealed } as const satisfies Record<
  ResolvedRoute,
  string
>;

/**
 * Why a gateway refuses an unsealed request. `undefined`: the gateway's own control document sends the request to fallback, so the
 * gateway serves it; no other source can strip a seal. NOT_READY if this process does not know the route, since another gateway can;
 * otherwise SWITCHED_OFF.
 */
export function unsealedRefusal(
  control: Pick<ControlView, "route">,
  { provider, requestId, fallbackAllowed }: RouteQuery,
): ScbeError | undefined {
  const route = control.route(provider, requestId);
  if (fallbackAllowed && route.way === "fallback") return undefined;
  if (fallbackAllowed && route.way === "refused" && CODES[route.why] === "NOT_READY")
    return new ScbeError("NOT_READY", `${provider}: ${REASONS[route.why]}`);
  return new ScbeError("SWITCHED_OFF", `${provider}: the control document does not send this to fallback`);
}

/**
 * True while the answer to an open request is permitted. Flags apply to new requests only: a sealed request gets its sealed answer, and
 * an unsealed one its answer unless the provider refuses it by now. A kill ends both.
 */
export function isAnswerPermitted(
  control: Pick<ControlView, "route" | "permits">,
  route: ResolvedRoute,
  { provider, requestId }: Pick<RouteQuery, "provider" | "requestId">,
): boolean {
  return route === "sealed"
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
const REASONS = {
  kill_switch: "the kill switch is engaged",
  flag: "scbe_envelope_verification does not seal this request (enabled, traffic_percentage)",
  stale: "the lease on the control document has ended, and the policy is to refuse",
  unknown: "no control document is known yet",
  distrusted: "its integrity is in doubt until an operator clears it (POST /admin/scbe/trust)",
} as const;
