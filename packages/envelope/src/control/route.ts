import { createHash } from "node:crypto";
import type { ControlState, Kill } from "@scbe/contracts";
import { lp } from "../lp.ts";

/** What a document says of one request. */
export type Route =
  | { readonly way: "sealed" }
  /** To the same provider unsealed, where the deployment permits that; else nowhere. */
  | { readonly way: "fallback"; readonly why: "kill_switch" | "flag" }
  | { readonly way: "refused"; readonly why: "kill_switch" };

const SEALED: Route = { way: "sealed" };
const BY_FLAG: Route = { way: "fallback", why: "flag" };
const BY_KILL = {
  fallback: { way: "fallback", why: "kill_switch" },
  disabled: { way: "refused", why: "kill_switch" },
} as const satisfies Record<string, Route>;

/** Where a request goes. The same for all who hold the same document, and for every try of the same request. */
export function routeOf(state: ControlState, provider: string, requestId: string): Route {
  const kill = killOf(state, provider);
  if (kill !== undefined) return BY_KILL[kill.mode];
  const { enabled, providers } = state.scbe_envelope_verification;
  if (!enabled) return BY_FLAG;
  const flag = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  if (flag === undefined) return SEALED;
  return flag.enabled && isInside(provider, requestId, flag.traffic_percentage) ? SEALED : BY_FLAG;
}

/** True when not one of a provider's requests is sealed, and not all are refused. */
export function isAllFallback(state: ControlState, provider: string): boolean {
  const kill = killOf(state, provider);
  if (kill !== undefined) return kill.mode === "fallback";
  const { enabled, providers } = state.scbe_envelope_verification;
  const flag = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  return !enabled || flag?.enabled === false || flag?.traffic_percentage === 0;
}

/**
 * The kill that a provider is under: of everything, or its own. Where both stand, the one that refuses: whoever can have everything
 * go unsealed must not have that go which is refused by itself.
 */
export function killOf(
  { kill_switch: { all, providers } }: ControlState,
  provider: string,
): Kill | undefined {
  const own = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  return all?.mode === "fallback" && own?.mode === "disabled" ? own : (all ?? own);
}

/**
 * True when a request is inside of a share of its provider's traffic, 0 to 100 %. Who is inside of one share is inside of every
 * larger one; the request's id decides, so a second try is on the same side.
 */
export function isInside(provider: string, requestId: string, percentage: number): boolean {
  if (percentage >= 100) return true;
  const hash = createHash("sha256").update(lp(provider, requestId)).digest();
  return hash.readUInt32BE(0) / 2 ** 32 < percentage / 100;
}
