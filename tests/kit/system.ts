import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Transport } from "@scbe/bus";
import { type Client, type ConnectOptions, connect } from "@scbe/client";
import { ACCESS_WITH_FALLBACK, type UnkeyedUser } from "@scbe/contracts";
import {
  createTempDir,
  type RedisServer,
  type SecuredNats,
  startRedis,
  startSecuredNats,
} from "@scbe/testkit";
import { type ServiceProcess, startServiceProcess } from "./service-process.ts";

export interface SystemOptions {
  /** Default openai and anthropic. */
  readonly providers?: readonly string[];
  /** Default `chat`. */
  readonly intents?: readonly string[];
  /** Default true: a real Redis. False: the guard's in-memory store. */
  readonly redis?: boolean;
  /** The password of Redis; default none. */
  readonly redisPassword?: string;
  /** Default 1. */
  readonly guards?: number;
  /** Default true: the envelope service runs. */
  readonly envelope?: boolean;
  /** Default false. True: a rollback controller runs, and every verifier obeys it. */
  readonly controller?: boolean;
  /** Default false. The number of trust scorers, of which one leads; true is one. */
  readonly scorer?: boolean | number;
  /** Default false. True: traffic that the control document takes out of SCBE's path can travel unsealed. */
  readonly fallback?: boolean;
  readonly users?: readonly UnkeyedUser[];
  /** Additional variables of every process and client. */
  readonly variables?: Readonly<Record<string, string>>;
  /** A nats-server other than the one on the PATH. */
  readonly program?: string | undefined;
  /** Runs when the server is up, before any process connects except for provisioning. */
  readonly onNats?: (nats: SecuredNats) => Promise<void>;
}

/**
 * SCBE without examples: nats-server with the access table's permissions and provisioned stores, Redis, and keyring, replay guards
 * and envelope service as processes of their own, each with its own credentials.
 */
export interface System extends AsyncDisposable {
  readonly nats: SecuredNats;
  /** Undefined with the in-memory store. */
  readonly redis: RedisServer | undefined;
  readonly keyring: ServiceProcess;
  readonly guards: readonly ServiceProcess[];
  readonly envelope: ServiceProcess | undefined;
  /** Undefined without the option; its tokens are {@link TOKENS}. */
  readonly controller: ServiceProcess | undefined;
  /** As many as the option says. */
  readonly scorers: readonly ServiceProcess[];
  readonly keyringPublicKey: string;
  /** The key of the local KMS, from which a test can compute all other keys. */
  readonly kmsKeyFile: string;
  /** The environment of every process of this deployment. */
  readonly variables: Readonly<Record<string, string>>;
  transport(name: string): Transport;
  /** The environment of a user's process: {@link variables}, NATS, and the user's credentials. */
  environment(user: string): Readonly<Record<string, string>>;
  /** Connects as `orchestrator`. The test disposes of the client. */
  orchestrator(options?: Partial<ConnectOptions>): Promise<Client>;
  /** Connects as the gateway of a provider. The test disposes of the client. */
  gateway(provider: string, options?: Partial<ConnectOptions>): Promise<Client>;
}

/** The tokens of the rollback controller's API. */
export const TOKENS = {
  ADMIN_TOKEN: "admin-token-of-the-tests",
  EMERGENCY_TOKEN: "emergency-token-of-the-tests",
  SCBE_ALERTMANAGER_TOKEN: "alertmanager-token-of-the-tests",
} as const;

export async function startSystem(options: SystemOptions = {}): Promise<System> {
  const { providers = ["openai", "anthropic"], intents = ["chat"], redis: withRedis = true } = options;
  const { redisPassword: password } = options;
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(createTempDir());
  const [nats, redis] = await Promise.all([
    startSecuredNats({
      providers,
      program: options.program,
      ...(options.users && { users: options.users }),
      ...(options.fallback === true && { table: ACCESS_WITH_FALLBACK }),
    }).then((it) => stack.use(it)),
    withRedis
      ? startRedis(password === undefined ? {} : { args: ["--requirepass", password] }).then((it) =>
          stack.use(it),
        )
      : undefined,
  ]);
  await options.onNats?.(nats);
  const { keyringPublicKey, usersFile, controlPublicKey, controlSeedFile } = nats.credentials;
  const kmsKeyFile = writeKeyFile(dir.path);
  const variables = {
    SCBE_ENVIRONMENT: "dev",
    SCBE_PROVIDERS: providers.join(","),
    SCBE_INTENTS: intents.join(","),
    SCBE_KEYRING_PUBLIC_KEY: keyringPublicKey,
    ...(options.controller === true && { SCBE_CONTROL_PUBLIC_KEY: controlPublicKey }),
    ...(options.fallback === true && { SCBE_FALLBACK: "allow" }),
    SCBE_TRUST_SCORER: Number(options.scorer ?? 0) > 0 ? "required" : "none",
    ...options.variables,
  };
  const environment = (user: string): Readonly<Record<string, string>> => ({
    ...variables,
    NATS_URL: nats.url,
    ...nats.credentials.environment(user),
  });
  const start = async (
    user: string,
    path: string,
    more: Record<string, string> = {},
  ): Promise<ServiceProcess> => {
    return stack.use(await startServiceProcess(user, path, { ...environment(user), ...more }));
  };
  const startMany = (count: number, ...what: Parameters<typeof start>): Promise<ServiceProcess[]> =>
    Promise.all(Array.from({ length: count }, () => start(...what)));
  const [keyring, envelope, controller, guards, scorers] = await Promise.all([
    start("keyring", "services/keyring/src/main.ts", {
      SCBE_USERS_FILE: usersFile,
      SCBE_KMS_KEY_FILE: kmsKeyFile,
    }),
    options.envelope === false ? undefined : start("envelope", "services/envelope/src/main.ts"),
    options.controller === true
      ? start("rollback-controller", "services/rollback-controller/src/main.ts", {
          SCBE_CONTROL_SEED_FILE: controlSeedFile,
          SCBE_USERS_FILE: usersFile,
          ...TOKENS,
        })
      : undefined,
    startMany(
      options.guards ?? 1,
      "replay-guard",
      "services/replay-guard/src/main.ts",
      redis && { REDIS_URL: withPassword(redis.url, password) },
    ),
    startMany(Number(options.scorer ?? 0), "trust-scorer", "services/trust-scorer/src/main.ts", {
      SCBE_USERS_FILE: usersFile,
    }),
  ]);
  await Promise.all(
    [keyring, envelope, controller, ...guards, ...scorers].map((service) => service?.ready()),
  );
  const client = (name: string, more: Partial<ConnectOptions>): Promise<Client> =>
    connect({ name, transport: nats.transport(name), variables, ...more });
  const held = stack.move();
  return {
    nats,
    redis,
    keyring,
    guards,
    envelope,
    controller,
    scorers,
    keyringPublicKey,
    kmsKeyFile,
    variables,
    environment,
    transport: (name) => nats.transport(name),
    orchestrator: (more = {}) => client("orchestrator", more),
    gateway: (provider, more = {}) =>
      client(`gateway-${provider}`, { role: "gateway", providers: [provider], ...more }),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function withPassword(url: string, password: string | undefined): string {
  return password === undefined ? url : url.replace("//", `//:${password}@`);
}

/** Writes a key of the local KMS. */
function writeKeyFile(dir: string): string {
  const path = join(dir, "kms.key");
  writeFileSync(path, `scbe-local-kms-1 ${randomBytes(32).toString("base64url")}\n`, { mode: 0o600 });
  return path;
}
