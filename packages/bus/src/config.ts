import {
  ENVIRONMENTS,
  NAME_PATTERN,
  PROVIDERS,
  RESERVED_INTENT,
  type StoreAccount,
  type StoreRole,
} from "@scbe/contracts";
import { type ConfigOf, choice, integer, list, path, text } from "@scbe/runtime";

/** How to reach NATS, and as which user. At most one of `credsFile` and `nkeySeedFile` is set; an open server needs neither. */
export interface Transport {
  /** `nats://host:port` or `tls://host:port`; the first one that answers is used. */
  readonly servers: readonly string[];
  /** Path of a credentials file (JWT and seed). */
  readonly credsFile?: string;
  /** Path of a file that holds an nkey seed. */
  readonly nkeySeedFile?: string;
  readonly tlsCaFile?: string;
  readonly tlsCertFile?: string;
  readonly tlsKeyFile?: string;
  /** The user's role, part of its inbox; by default the user's name, as for services. */
  readonly role?: string;
}

/** How a service reaches the account of its store, and as which user of that account. */
export interface StoreTransport extends Omit<Transport, "role"> {
  readonly account: StoreAccount;
  /** Default `store`. */
  readonly user?: StoreRole;
}

/** The environment and what it serves: the same in every process of a deployment. */
export const environmentVariables = {
  SCBE_ENVIRONMENT: choice(ENVIRONMENTS, {
    default: "dev",
    doc: "The environment. Keys, epochs and records of one are refused in every other; `prod` also refuses what is meant for development.",
  }),
  SCBE_PROVIDERS: list({
    default: PROVIDERS,
    pattern: NAME_PATTERN,
    item: "a provider name",
    max: 64,
    doc: "The AI providers that are served; an envelope for any other is refused.",
  }),
  SCBE_INTENTS: list({
    default: ["chat"],
    pattern: NAME_PATTERN,
    item: "an intent name",
    max: 64,
    doc: "The intents that are served; each has subkeys of its own with every provider. Names that begin with `scbe-` are reserved.",
    check: (intents) => {
      const reserved = intents.find((intent) => RESERVED_INTENT.test(intent));
      return reserved === undefined
        ? undefined
        : `names ${reserved}; intents that begin with scbe- are reserved`;
    },
  }),
};

/** The window in which an envelope is valid: the same in every process of a deployment. */
export const windowVariables = {
  SCBE_REPLAY_WINDOW_SECONDS: integer({
    default: 300,
    min: 1,
    max: 3600,
    unit: "s",
    doc: "The longest life of an envelope, and so the time for which the replay guard remembers one.",
  }),
  SCBE_MAX_CLOCK_SKEW_SECONDS: integer({
    default: 120,
    min: 0,
    max: 600,
    unit: "s",
    doc: "How far ahead of the opener's clock an envelope's time stamp may be.",
    check: (skew, config) =>
      skew > Number(config.SCBE_SKEW_LIMIT_SECONDS)
        ? `${skew} exceeds SCBE_SKEW_LIMIT_SECONDS (${String(config.SCBE_SKEW_LIMIT_SECONDS)})`
        : undefined,
  }),
  SCBE_SKEW_LIMIT_SECONDS: integer({
    default: 600,
    min: 0,
    max: 600,
    unit: "s",
    doc: "The bound that SCBE_MAX_CLOCK_SKEW_SECONDS may never exceed.",
  }),
};

const SERVER_PATTERN = /^(nats|tls):\/\/[^\s,@/]+$/;

/** How a process reaches NATS, and as which user. */
export const transportVariables = {
  NATS_URL: list({
    default: ["nats://127.0.0.1:4222"],
    pattern: SERVER_PATTERN,
    item: "a URL nats://host:port or tls://host:port without credentials in it",
    max: 32,
    doc: "The servers of the cluster; the first one that answers is used.",
  }),
  NATS_CREDS: path({
    optional: true,
    private: true,
    doc: "A credentials file (JWT and seed). Without it and without a seed file the connection is anonymous.",
    check: (_value, config) =>
      config.NATS_NKEY_SEED_FILE === undefined
        ? undefined
        : "is set, and NATS_NKEY_SEED_FILE too; set one of them",
  }),
  NATS_NKEY_SEED_FILE: path({
    optional: true,
    private: true,
    doc: "A file with the nkey seed that this process authenticates and signs with.",
  }),
  NATS_TLS_CA: path({
    optional: true,
    doc: "Certificates (PEM) that the server's must chain to. Set, it also demands TLS.",
  }),
  NATS_TLS_CERT: path({
    optional: true,
    doc: "The client's certificate (PEM), where the server asks for one.",
    check: (_value, config) =>
      config.NATS_TLS_KEY === undefined ? "needs NATS_TLS_KEY beside it" : undefined,
  }),
  NATS_TLS_KEY: path({
    optional: true,
    private: true,
    doc: "The private key (PEM) of NATS_TLS_CERT.",
    check: (_value, config) =>
      config.NATS_TLS_CERT === undefined ? "needs NATS_TLS_CERT beside it" : undefined,
  }),
};

/** The user of a service in the account of its store, which it reaches at the same servers with the same TLS. */
export const storeVariables = {
  NATS_STORE_CREDS: path({
    optional: true,
    private: true,
    doc: "A credentials file (JWT and seed) of the service's user in the account of its store.",
    check: (_value, config) =>
      config.NATS_STORE_NKEY_SEED_FILE === undefined
        ? undefined
        : "is set, and NATS_STORE_NKEY_SEED_FILE too; set one of them",
  }),
  NATS_STORE_NKEY_SEED_FILE: path({
    optional: true,
    private: true,
    doc: "A file with the nkey seed of the service's user in the account of its store; it differs from NATS_NKEY_SEED_FILE's.",
  }),
};

/** The transport to the account of a service's store. */
export function storeTransportOf(
  config: ConfigOf<typeof transportVariables> & ConfigOf<typeof storeVariables>,
  account: StoreAccount,
): StoreTransport {
  const { credsFile: _creds, nkeySeedFile: _seed, ...server } = transportOf(config);
  const { NATS_STORE_CREDS: credsFile, NATS_STORE_NKEY_SEED_FILE: nkeySeedFile } = config;
  return { ...server, account, ...(credsFile && { credsFile }), ...(nkeySeedFile && { nkeySeedFile }) };
}

/** The transport that {@link transportVariables} describe. */
export function transportOf(config: ConfigOf<typeof transportVariables>): Transport {
  return {
    servers: config.NATS_URL,
    ...(config.NATS_CREDS !== undefined && { credsFile: config.NATS_CREDS }),
    ...(config.NATS_NKEY_SEED_FILE !== undefined && { nkeySeedFile: config.NATS_NKEY_SEED_FILE }),
    ...(config.NATS_TLS_CA !== undefined && { tlsCaFile: config.NATS_TLS_CA }),
    ...(config.NATS_TLS_CERT !== undefined && { tlsCertFile: config.NATS_TLS_CERT }),
    ...(config.NATS_TLS_KEY !== undefined && { tlsKeyFile: config.NATS_TLS_KEY }),
  };
}

/** Log level, ops port and the time to drain; `defaultPort` is the service's own. */
export function opsVariables(defaultPort: number) {
  return {
    LOG_LEVEL: choice(["fatal", "error", "warn", "info", "debug", "trace", "silent"], {
      default: "info",
      doc: "The least severe level that is logged.",
    }),
    SCBE_OPS_HOST: text({
      default: "127.0.0.1",
      pattern: /^[A-Za-z0-9.:_-]{1,253}$/,
      expected: "an address or host name",
      doc: "The address on which the ops port listens. In a container 0.0.0.0, best with SCBE_METRICS_TOKEN.",
    }),
    SCBE_OPS_PORT: integer({
      default: defaultPort,
      min: 0,
      max: 65_535,
      unit: "TCP port",
      doc: "/healthz, /readyz and /metrics listen here; 0 picks a free port, which the log names.",
    }),
    SCBE_METRICS_TOKEN: text({
      optional: true,
      secret: true,
      pattern: /^[\x21-\x7e]{16,512}$/,
      expected: "16 to 512 printable characters without spaces",
      doc: "The bearer token that /metrics requires, since metrics give the reasons of refusals; unset: every client of the port may read them.",
    }),
    SCBE_DRAIN_TIMEOUT_MS: integer({
      default: 25_000,
      min: 100,
      max: 600_000,
      unit: "ms",
      doc: "After a stop signal, the time to answer everything in flight; the rest is aborted.",
    }),
  };
}
