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
    doc: "Requests of each user at work at once, for each provider on each of the four subjects; above it the user gets BUSY.",
  }),
  SCBE_ENVELOPE_USER_RATE: integer({
    default: 2000,
    min: 1,
    max: 1_000_000,
    unit: "requests/s",
    doc: "Requests of each user a second, on each of the four subjects of each replica, and as many at once; above it the user gets BUSY.",
  }),
});

/** The envelope service's configuration. */
export type EnvelopeConfig = ConfigValues<typeof config>;
