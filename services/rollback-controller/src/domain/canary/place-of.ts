import type { ControlState } from "@scbe/contracts";
import { killOf } from "@scbe/envelope/control";
import type { Canary } from "./canary-record.ts";

/** Whether the control document still stands where the canary has left it. */
export type Place =
  | { readonly is: "held" }
  | { readonly is: "killed"; readonly why: string }
  | { readonly is: "changed"; readonly why: string };

/** Where a provider's flag stands beside a canary's step. */
export function placeOf(canary: Pick<Canary, "provider" | "steps" | "step">, state: ControlState): Place {
  const kill = killOf(state, canary.provider);
  if (kill !== undefined) return { is: "killed", why: kill.reason || kill.cause };
  const expected = shareOf(canary);
  const { enabled, percentage } = flagOf(state, canary.provider);
  if (!enabled) return { is: "changed", why: "a flag has switched the verification off" };
  if (percentage !== expected)
    return { is: "changed", why: `a flag has set the share to ${percentage} %, from ${expected} %` };
  return { is: "held" };
}

/** The share that a canary's step stands for, in percent. */
export function shareOf({ steps, step }: Pick<Canary, "steps" | "step">): number {
  return steps[step] ?? 0;
}

/** What the flags say of a provider; one that they do not name is sealed. */
export function flagOf(
  { scbe_envelope_verification: { enabled, providers } }: ControlState,
  provider: string,
): { readonly enabled: boolean; readonly percentage: number } {
  const flag = Object.hasOwn(providers, provider) ? providers[provider] : undefined;
  if (flag === undefined) return { enabled, percentage: 100 };
  return { enabled: enabled && flag.enabled, percentage: flag.traffic_percentage };
}
