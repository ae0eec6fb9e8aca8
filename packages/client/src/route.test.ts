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
  ["a kill of everything for availability", killing(SOFT), [false, true, false, true]],
  ["its own kill for availability", killing(null, { openai: SOFT }), [false, true, false, true]],
  ["a kill of everything for integrity", killing(KILL), [false, false, false, false]],
  ["both, its own for integrity", killing(SOFT, { openai: KILL }), [false, false, false, false]],
  ["flags that are off", flagged(true, 100, false), [false, false, true, true]],
  ["its flag that is off", flagged(false, 100), [false, false, true, true]],
  ["a share of nothing", flagged(true, 0), [false, false, true, true]],
  ["a share of 1 %", flagged(true, 1), [false, false, false, false]],
] as const)("under %s everything goes unsealed only for a cause that was chosen", (_, change, expected) => {
  const states = CHOICES.map((causes) => documentOf({ ...change, fallback: { causes } }).state);
  expect(states.map((state) => isAllFallback(state, "openai"))).toEqual(expected);
});
