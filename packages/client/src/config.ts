import { environmentVariables, type Transport, transportVariables, windowVariables } from "@scbe/bus";
import { ScbeError } from "@scbe/contracts";
import { type ConfigValues, choice, defineConfig, integer, readConfig } from "@scbe/runtime";
import { verifierVariables } from "@scbe/verifier";

/** Every variable that a process with a client reads. */
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
    doc: "The longest that one request may take from its caller's call to its answer.",
  }),
  SCBE_TRUST_TIMEOUT_MIN_MS: integer({
    default: 30_000,
    min: 1,
    max: 3_600_000,
    unit: "ms",
    doc: "A request that had this much time and no answer speaks against its provider. One that had less does so only if the provider usually answers in that time, by what this process has seen.",
  }),
  SCBE_FALLBACK: choice(["refuse", "allow"], {
    default: "refuse",
    doc: "What happens to a request that the control document sends to fallback, which an administrator has chosen there. `allow`: it travels unsealed, which the bus must permit, too; `refuse`: it is refused.",
  }),
});
export type ClientConfig = ConfigValues<typeof clientConfig>;

/** What may be given as arguments in place of variables. */
export interface ClientSettings {
  /** `NATS_URL` and the rest of the transport. */
  readonly transport?: Transport;
  /** `SCBE_PROVIDERS`: for a gateway just its own. */
  readonly providers?: readonly string[];
  /** `SCBE_INTENTS` */
  readonly intents?: readonly string[];
  /** `SCBE_KEYRING_PUBLIC_KEY` */
  readonly keyringPublicKey?: string;
  /** `SCBE_CONTROL_PUBLIC_KEY` */
  readonly controlPublicKey?: string;
  /** All other variables; `process.env` unless told. */
  readonly variables?: Readonly<Record<string, string | undefined>>;
}

/**
 * The configuration: arguments first, then variables, then defaults.
 * @param problems that were found already, to be told with the others
 * @throws ScbeError BAD_REQUEST that names everything that is wrong with it
 */
export function readClientConfig(settings: ClientSettings, problems: readonly string[] = []): ClientConfig {
  const variables = { ...(settings.variables ?? process.env), ...asVariables(settings) };
  const reading = readConfig(clientConfig, variables);
  const all = [...problems, ...emptyIn(settings), ...(reading.ok ? [] : reading.problems)];
  if (reading.ok && all.length === 0) return reading.config;
  throw new ScbeError("BAD_REQUEST", `the client's configuration: ${all.join("; ")}`);
}

/** As a variable, an empty list would count as not set, and the default would be taken for it. */
function emptyIn({ transport, providers, intents }: ClientSettings): string[] {
  return Object.entries({ "transport.servers": transport?.servers, providers, intents })
    .filter(([, list]) => list?.length === 0)
    .map(([name]) => `${name}: is empty`);
}

/** As variables, arguments are checked by the same rules. A transport given replaces all of the environment's. */
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
