import {
  type ConfigValues,
  defineConfig,
  environmentVariables,
  integer,
  opsVariables,
  transportVariables,
} from "@scbe/service-kit";

const { SCBE_ENVIRONMENT, SCBE_PROVIDERS } = environmentVariables;

/** Every variable of the trust scorer. */
export const config = defineConfig({
  SCBE_ENVIRONMENT,
  SCBE_PROVIDERS,
  ...transportVariables,
  ...opsVariables(7104),
  SCBE_TRUST_LEADER_MS: integer({
    default: 6000,
    min: 300,
    max: 60_000,
    unit: "ms",
    doc: "A scorer that has not renewed its leadership for that long is followed by another one; it is renewed three times as often, and given up by itself after two thirds.",
  }),
});

/** The trust scorer's configuration. */
export type TrustScorerConfig = ConfigValues<typeof config>;
