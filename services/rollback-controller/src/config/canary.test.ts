import { defineConfig, readConfig } from "@scbe/runtime";
import { expect, test } from "vitest";
import { canaryVariables } from "./canary.ts";

const config = defineConfig(canaryVariables);

test("without any of its variables, a canary goes by the runbook", () => {
  expect(readConfig(config, {})).toMatchObject({
    ok: true,
    config: {
      SCBE_CANARY_STEPS: ["5", "25", "50", "100"],
      SCBE_CANARY_HOLD_MINUTES: 30,
      SCBE_CANARY_TICK_SECONDS: 30,
    },
  });
});

test.each([
  ["SCBE_CANARY_STEPS", "5,25,20", "not above the one before"],
  ["SCBE_CANARY_STEPS", "5,5", "names an item twice"],
  ["SCBE_CANARY_STEPS", "0,100", "number 1"],
  ["SCBE_CANARY_STEPS", "50,101", "number 2"],
  ["SCBE_CANARY_STEPS", "1,2,3,4,5,6,7,8,9", "too many items"],
  ["SCBE_CANARY_HOLD_MINUTES", "0", "out of bounds"],
  ["ALERTMANAGER_URL", "ftp://127.0.0.1", "another scheme"],
])("%s=%s is refused", (name, value, problem) => {
  const reading = readConfig(config, { [name]: value });
  expect(reading.ok ? "" : reading.problems.join()).toMatch(new RegExp(`${name}.*${problem}`));
});
