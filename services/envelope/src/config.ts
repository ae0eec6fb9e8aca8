import { environmentVariables, opsVariables, transportVariables, windowVariables } from "@scbe/bus";
import { type ConfigValues, defineConfig, integer } from "@scbe/runtime";
import { verifierVariables } from "@scbe/verifier";

/** Every variable of the envelope service. */
export const config = defineConfig({
  ...environmentVariables,
  ...windowVariables,
  ...transportVariables,
  ...opsVariables(7101),
  ...verifierVariables,
  SCBE_ENVELOPE_CONCURRENCY: integer({
    default: 512,
    min: 1,
    max: 65_536,
    unit: "requests",
    doc: "Requests at work at once of each user for each provider on each of the four kinds of question; above it that user hears BUSY.",
  }),
  SCBE_ENVELOPE_USER_RATE: integer({
    default: 2000,
    min: 1,
    max: 1_000_000,
    unit: "requests/s",
    doc: "Requests a second of each user on each of the four kinds of question, for each replica, and as many at once; above it that user hears BUSY.",
  }),
});

/** The envelope service's configuration. */
export type EnvelopeConfig = ConfigValues<typeof config>;
