import type { ControlState, FallbackCause, Kill } from "@scbe/contracts";
import { documentOf, KILL, killing } from "@scbe/testkit";
import { expect, test } from "vitest";
import { isAllFallback } from "./route.ts";

const SOFT: Kill = { ...KILL, cause: "availability" };
const CHOICES: FallbackCause[][] = [[], ["availability"], ["flags"], ["availability", "flags"]];

function flagged(enabled: boolean, traffic_percentage: number, all = true): Partial<ControlState> {
  const providers = { openai: { enabled, traffic_percentage } };
  return { scbe_envelope_verification: { enabled: all, providers } };
}

test.each([
  ["nothing", {}, [false, false, false, false]],
  ["a global kill for availability", killing(SOFT), [false, true, false, true]],
  ["a kill of the provider for availability", killing(null, { openai: SOFT }), [false, true, false, true]],
  ["a global kill for integrity", killing(KILL), [false, false, false, false]],
  ["both kills, the provider's for integrity", killing(SOFT, { openai: KILL }), [false, false, false, false]],
  ["the global flag off", flagged(true, 100, false), [false, false, true, true]],
  ["the provider's flag off", flagged(false, 100), [false, false, true, true]],
  ["a share of 0 %", flagged(true, 0), [false, false, true, true]],
  ["a share of 1 %", flagged(true, 1), [false, false, false, false]],
] as const)(
  "under %s all traffic goes unsealed only if the document allows fallback for that cause",
  (_, change, expected) => {
    const states = CHOICES.map((causes) => documentOf({ ...change, fallback: { causes } }).state);
    expect(states.map((state) => isAllFallback(state, "openai"))).toEqual(expected);
  },
);
