import { environmentVariables, type Transport, transportVariables, windowVariables } from "@scbe/bus";
import { ScbeError } from "@scbe/contracts";
import { type ConfigValues, choice, defineConfig, integer, readConfig } from "@scbe/runtime";
import { verifierVariables } from "@scbe/verifier";

/** The client's, in metrics and service announcements. */
export const VERSION = "0.1.0";

/** Every environment variable that a process with a client reads. */
export const clientConfig = defineConfig({
  ...environmentVariables,
  ...windowVariables,
  ...transportVariables,
  ...verifierVariables,
  SCBE_REQUEST_TIMEOUT_MAX_MS: integer({
    default: 120_000,
    min: 100,
    max: 3_600_000,
    unit: "ms",
    doc: "The maximum time from a call of `request()` to its answer.",
  }),
  SCBE_TRUST_TIMEOUT_MIN_MS: integer({
    default: 30_000,
    min: 1,
    max: 3_600_000,
    unit: "ms",
    doc: "A request that gets no answer in this time counts against its provider. After a shorter time it counts only if this process has seen the provider usually answer within that time.",
  }),
  SCBE_FALLBACK: choice(["refuse", "allow"], {
    default: "refuse",
    doc: "What happens to a request that the control document sends to fallback, as an administrator has configured there. `allow`: it travels unsealed, if the bus permits that; `refuse`: it is refused.",
  }),
});
export type ClientConfig = ConfigValues<typeof clientConfig>;

/** Arguments that replace variables. */
export interface ClientSettings {
  /** `NATS_URL` and the rest of the transport. */
  readonly transport?: Transport;
  /** `SCBE_PROVIDERS`; of a gateway only its own. */
  readonly providers?: readonly string[];
  /** `SCBE_INTENTS` */
  readonly intents?: readonly string[];
  /** `SCBE_KEYRING_PUBLIC_KEY` */
  readonly keyringPublicKey?: string;
  /** `SCBE_CONTROL_PUBLIC_KEY` */
  readonly controlPublicKey?: string;
  /** All other variables; default `process.env`. */
  readonly variables?: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads the configuration: arguments first, then variables, then defaults.
 * @param problems found before, to be listed with the others
 * @throws ScbeError BAD_REQUEST that lists every problem
 */
export function readClientConfig(settings: ClientSettings, problems: readonly string[] = []): ClientConfig {
  const variables = { ...(settings.variables ?? process.env), ...asVariables(settings) };
  const reading = readConfig(clientConfig, variables);
  const all = [...problems, ...emptyIn(settings), ...(reading.ok ? [] : reading.problems)];
  if (reading.ok && all.length === 0) return reading.config;
  throw new ScbeError("BAD_REQUEST", `the client's configuration: ${all.join("; ")}`);
}

/** An empty list must be checked here: as a variable it would count as not set, and get the default. */
function emptyIn({ transport, providers, intents }: ClientSettings): string[] {
  return Object.entries({ "transport.servers": transport?.servers, providers, intents })
    .filter(([, list]) => list?.length === 0)
    .map(([name]) => `${name}: is empty`);
}

/** Arguments are checked by the rules of their variables. A transport replaces all of the environment's. */
function asVariables(settings: ClientSettings) {
  const { transport, providers, intents, keyringPublicKey, controlPublicKey } = settings;
  return {
    ...(transport && {
      NATS_URL: transport.servers.join(","),
      NATS_CREDS: transport.credsFile,
      NATS_NKEY_SEED_FILE: transport.nkeySeedFile,
      NATS_TLS_CA: transport.tlsCaFile,
      NATS_TLS_CERT: transport.tlsCertFile,
      NATS_TLS_KEY: transport.tlsKeyFile,
    }),
    ...(providers && { SCBE_PROVIDERS: providers.join(",") }),
    ...(intents && { SCBE_INTENTS: intents.join(",") }),
    ...(keyringPublicKey !== undefined && { SCBE_KEYRING_PUBLIC_KEY: keyringPublicKey }),
    ...(controlPublicKey !== undefined && { SCBE_CONTROL_PUBLIC_KEY: controlPublicKey }),
  };
}
