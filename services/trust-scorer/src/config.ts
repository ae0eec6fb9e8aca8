import { environmentVariables, opsVariables, storeVariables, transportVariables } from "@scbe/bus";
import { type ConfigValues, defineConfig, integer } from "@scbe/runtime";
import { usersVariables } from "@scbe/service";

const { SCBE_ENVIRONMENT, SCBE_PROVIDERS } = environmentVariables;

const EXCLUSION_MS_MAX = 86_400_000;

/** Every variable of the trust scorer. */
export const config = defineConfig({
  SCBE_ENVIRONMENT,
  SCBE_PROVIDERS,
  ...transportVariables,
  ...storeVariables,
  ...usersVariables,
  ...opsVariables(7104),
  SCBE_TRUST_LEADER_MS: integer({
    default: 6000,
    min: 300,
    max: 60_000,
    unit: "ms",
    doc: "A scorer that has not renewed its leadership for this long is replaced by another one. It renews three times as often, and gives up by itself after two thirds.",
  }),
  SCBE_TRUST_EXCLUSION_MS: integer({
    default: 30_000,
    min: 100,
    max: EXCLUSION_MS_MAX,
    unit: "ms",
    doc: "How long a provider's first exclusion lasts; each further one lasts longer by the same time. All scorers of a deployment need the same value.",
  }),
  SCBE_TRUST_EXCLUSION_MAX_MS: integer({
    default: 300_000,
    min: 100,
    max: EXCLUSION_MS_MAX,
    unit: "ms",
    doc: "The longest exclusion; at least SCBE_TRUST_EXCLUSION_MS. All scorers of a deployment need the same value.",
    check: (value, { SCBE_TRUST_EXCLUSION_MS: first }) =>
      typeof first === "number" && value < first ? "is less than SCBE_TRUST_EXCLUSION_MS" : undefined,
  }),
});

/** The trust scorer's configuration. */
export type TrustScorerConfig = ConfigValues<typeof config>;
