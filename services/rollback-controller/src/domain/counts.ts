import { VERIFIER_STATES } from "@scbe/contracts";
import { z } from "zod";
import type { VerifierReport } from "../ports.ts";

export const Counts = z
  .object({
    total: z.int(),
    converged: z.int().describe("They hold what is in force, and said so within their lease"),
    behind: z.int().describe("They asked, and hold something else"),
    stale: z.int().describe("They did not ask within their lease"),
  })
  .meta({ id: "VerifierCounts" });
export type Counts = z.infer<typeof Counts>;

export function countOf(reports: readonly VerifierReport[]): Counts {
  return { total: reports.length, ...countBy(VERIFIER_STATES, reports) };
}

/** How many there are in each state. */
export function countBy<S extends string>(
  states: readonly S[],
  rows: readonly { readonly state: S }[],
): Record<S, number> {
  const counts = Object.fromEntries(states.map((state) => [state, 0])) as Record<S, number>;
  for (const { state } of rows) counts[state] += 1;
  return counts;
}
