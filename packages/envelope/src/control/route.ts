import { createHash } from "node:crypto";
import type { ControlState, FallbackCause, Kill, KillMode } from "@scbe/contracts";
import { lp } from "../lp.ts";

/** What a document says of one request. */
export type Route =
  | { readonly way: "sealed" }
  /** To the same provider unsealed, where the deployment permits that; else nowhere. */
  | { readonly way: "fallback"; readonly why: "kill_switch" | "flag" }
  | { readonly way: "refused"; readonly why: "kill_switch" | "flag" };

const SEALED: Route = { way: "sealed" };
const WAYS = { fallback: "fallback", disabled: "refused" } as const satisfies Record<KillMode, Route["way"]>;

/** Where a request goes. The same for all who hold the same document, and for every try of the same request. */
export function routeOf(state: ControlState, provider: string, requestId: string): Route {
  const kill = killOf(state, provider);
  if (kill !== undefined) return { way: WAYS[modeOf(state, kill.cause)], why: "kill_switch" };
  return isSealed(state, provider, requestId) ? SEALED : { way: WAYS[modeOf(state, "flags")], why: "flag" };
}

/** What becomes of traffic that is taken out of the path for a cause: unsealed only where the document's own choice names that cause. */
export function modeOf(
  { fallback }: Pick<ControlState, "fallback">,
  cause: Kill["cause"] | FallbackCause,
): KillMode {
  return fallback.causes.some((chosen) => chosen === cause) ? "fallback" : "disabled";
}

/**
 * The kill that a provider is under: of everything, or its own. Where both stand, the one that refuses: whoever can have everything
 * go unsealed must not have that go which is refused by itself.
 */
export function killOf(state: ControlState, provider: string): Kill | undefined {
  const { all, providers } = state.kill_switch;
  const own = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  if (all === null || own === undefined) return all ?? own;
  return modeOf(state, all.cause) === "disabled" ? all : own;
}

/**
 * True when a request is inside of a share of its provider's traffic, 0 to 100 %. Who is inside of one share is inside of every
 * larger one; the request's id decides, so a second try is on the same side.
 */
export function isInside(provider: string, requestId: string, percentage: number): boolean {
  const hash = createHash("sha256").update(lp(provider, requestId)).digest();
  // In integers, all of them exact: no quotient is rounded at the edge.
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
