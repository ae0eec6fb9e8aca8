import { verifierVariables } from "@scbe/client/verifier";
import {
  type ConfigValues,
  defineConfig,
  environmentVariables,
  integer,
  opsVariables,
  transportVariables,
  windowVariables,
} from "@scbe/service-kit";

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
    doc: "Requests at work at once for each provider on each of the four kinds of question; above it the asker hears BUSY.",
  }),
});

/** The envelope service's configuration. */
export type EnvelopeConfig = ConfigValues<typeof config>;
