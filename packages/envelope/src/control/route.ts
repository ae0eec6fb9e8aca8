import { createHash } from "node:crypto";
import type { ControlState, FallbackCause, Kill, KillMode } from "@scbe/contracts";
import { lp } from "../wire.ts";

/** The route of one request by a document. */
export type Route =
  | { readonly way: "sealed" }
  /** To the same provider unsealed, if the deployment permits that; otherwise refused. */
  | { readonly way: "fallback"; readonly why: "kill_switch" | "flag" }
  | { readonly way: "refused"; readonly why: "kill_switch" | "flag" };

const SEALED: Route = { way: "sealed" };
const WAYS = { fallback: "fallback", disabled: "refused" } as const satisfies Record<KillMode, Route["way"]>;

/** The route is the same in every process with the same document, and for every attempt of the same request. */
export function routeOf(state: ControlState, provider: string, requestId: string): Route {
  const kill = killOf(state, provider);
  if (kill !== undefined) return { way: WAYS[modeOf(state, kill.cause)], why: "kill_switch" };
  return isSealed(state, provider, requestId) ? SEALED : { way: WAYS[modeOf(state, "flags")], why: "flag" };
}

/** The mode of traffic that is not sealed for a cause: unsealed only if the document names that cause. */
export function modeOf(
  { fallback }: Pick<ControlState, "fallback">,
  cause: Kill["cause"] | FallbackCause,
): KillMode {
  return fallback.causes.some((chosen) => chosen === cause) ? "fallback" : "disabled";
}

/**
 * The kill of a provider: that of all, or its own. Of both, the one that refuses: a kill of all that lets traffic go
 * unsealed must not release a provider whose own kill refuses.
 */
export function killOf(state: ControlState, provider: string): Kill | undefined {
  const { all, providers } = state.kill_switch;
  const own = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  if (all === null || own === undefined) return all ?? own;
  return modeOf(state, all.cause) === "disabled" ? all : own;
}

/**
 * True if a request is inside a share of its provider's traffic, 0 to 100 %. A request inside one share is inside every
 * larger one. The request id decides, so every attempt gets the same result.
 */
export function isInside(provider: string, requestId: string, percentage: number): boolean {
  const hash = createHash("sha256").update(lp(provider, requestId)).digest();
  // Exact integers: no quotient is rounded at the edge.
  return hash.readUInt32BE(0) * 100 < percentage * 2 ** 32;
}

function isSealed(
  { scbe_envelope_verification: { enabled, providers } }: ControlState,
  provider: string,
  requestId: string,
): boolean {
  if (!enabled) return false;
  const flag = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  return flag === undefined || (flag.enabled && isInside(provider, requestId, flag.traffic_percentage));
}
