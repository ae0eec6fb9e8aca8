import { integer, list, url } from "@scbe/runtime";
import { STEPS_MAX, Steps } from "../domain/canary/steps.ts";
import { HOLD_MINUTES_MAX } from "../domain/canary-orders.ts";

/** How canaries go on, and whom they ask. */
export const canaryVariables = {
  SCBE_CANARY_STEPS: list({
    default: ["5", "25", "50", "100"],
    pattern: /^(100|[1-9][0-9]?)$/,
    item: "a whole number of percent, from 1 to 100",
    max: STEPS_MAX,
    doc: "The shares of a provider's traffic that a canary goes through, each above the one before.",
    check: (steps) =>
      Steps.safeParse(steps.map(Number)).success ? undefined : "has a step that is not above the one before",
  }),
  SCBE_CANARY_HOLD_MINUTES: integer({
    default: 30,
    min: 1,
    max: HOLD_MINUTES_MAX,
    unit: "min",
    doc: "How long a step of a canary lasts at least.",
  }),
  SCBE_CANARY_TICK_SECONDS: integer({
    default: 30,
    min: 1,
    max: 600,
    unit: "s",
    doc: "How often the canaries that are under way are measured.",
  }),
  ALERTMANAGER_URL: url({
    schemes: ["http", "https"],
    optional: true,
    secret: true,
    doc: "The Alertmanager whose silences hold a canary back, a user and password in it included. Without it no canary goes on.",
  }),
};
