import { type ControlState, FALLBACK_CAUSES, type FallbackCause, type KillMode } from "@scbe/contracts";
import { modeOf } from "@scbe/envelope/control";
import { z } from "zod";
import type { VerifierReport } from "../ports.ts";
import { GivenReason } from "./reason.ts";

/** An administrator's choice, in the body of `POST /feature-flags`: it replaces the one before. */
export const FallbackChoice = z
  .strictObject({
    causes: z
      .array(
        z.enum(FALLBACK_CAUSES, {
          error: `expected ${FALLBACK_CAUSES.join(" or ")}; integrity always refuses`,
        }),
      )
      .max(FALLBACK_CAUSES.length, { error: "names a cause twice" })
      .describe(
        "availability: kills for that cause; flags: what the flags leave outside of a share. [] has everything refused",
      ),
    reason: GivenReason,
  })
  .meta({ id: "FallbackChoice" });
export type FallbackChoice = z.infer<typeof FallbackChoice>;

/** What is chosen, and by how many verifiers it can be carried out. */
export const FallbackView = z
  .object({
    causes: z
      .array(z.enum(FALLBACK_CAUSES))
      .describe("For these, traffic goes unsealed instead of being refused"),
    permitted_by: z.int().describe("Verifiers whose SCBE_FALLBACK is allow"),
    verifiers: z
      .int()
      .describe("Verifiers that this controller has heard of; only the one that leads hears them"),
  })
  .meta({ id: "Fallback" });
export type FallbackView = z.infer<typeof FallbackView>;

/** The state with those causes chosen, and no other; the same object where they are already. */
export function chooseFallback(state: ControlState, causes: readonly FallbackCause[]): ControlState {
  const chosen = FALLBACK_CAUSES.filter((cause) => causes.includes(cause));
  return chosen.join() === state.fallback.causes.join() ? state : { ...state, fallback: { causes: chosen } };
}

export function showFallback(
  { fallback: { causes } }: ControlState,
  verifiers: readonly VerifierReport[],
): FallbackView {
  const permitted_by = verifiers.filter(({ permitsFallback }) => permitsFallback).length;
  return { causes: [...causes], permitted_by, verifiers: verifiers.length };
}

/**
 * What really becomes of traffic that is taken out of the path for a cause. Where no verifier permits fallback it is refused, whatever
 * was chosen; where none was heard of yet, what the document says.
 */
export function actualMode(
  state: ControlState,
  cause: Parameters<typeof modeOf>[1],
  verifiers: readonly VerifierReport[],
): KillMode {
  const isPossible = verifiers.length === 0 || verifiers.some(({ permitsFallback }) => permitsFallback);
  return isPossible ? modeOf(state, cause) : "disabled";
}
