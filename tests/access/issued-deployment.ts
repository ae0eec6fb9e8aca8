import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { provision, type Transport } from "@scbe/bus";
import { type Client, type ConnectOptions, connect } from "@scbe/client";
import { STORE_ACCOUNTS } from "@scbe/contracts";
import { type Credentials, issueCredentials, type Rendering } from "@scbe/credentials";
import { createLogger } from "@scbe/service";
import {
  type Certificates,
  createCertificates,
  createTempDir,
  type NatsServer,
  startNats,
  startRedis,
} from "@scbe/testkit";
import { type ServiceProcess, startServiceProcess } from "../kit/service-process.ts";

export interface IssuedOptions {
  readonly accounts: Rendering;
  readonly program: string | undefined;
  /** Default keyring and replay-guard, which run without controller and scorer. */
  readonly services?: readonly string[];
  /** NATS requires client certificates, and Redis uses TLS. */
  readonly tls?: boolean;
}

/** A deployment from a folder of credentials: each process gets only its own file of variables and the URL of NATS. */
export interface IssuedDeployment extends AsyncDisposable {
  readonly folder: string;
  readonly credentials: Credentials;
  readonly server: NatsServer;
  /** The URL of NATS for processes. */
  readonly url: string;
  readonly certificates: Certificates | undefined;
  /** The environment of a user's process. */
  variables(user: string): Record<string, string>;
  transport(user: string): Transport;
  service(name: string): ServiceProcess;
  client(user: string, options?: Partial<ConnectOptions>): Promise<Client>;
}

const PROVIDERS = ["openai", "xai"];
const TOKENS = { ADMIN_TOKEN: "admin-token-of-the-tests", EMERGENCY_TOKEN: "emergency-token-of-the-tests" };

export async function startIssued(options: IssuedOptions): Promise<IssuedDeployment> {
  const { accounts, program, services = ["keyring", "replay-guard"] } = options;
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(createTempDir()).path;
  const files = options.tls === true ? createCertificates(folder) : undefined;
  const credentials = issueCredentials(folder, {
    ...{ accounts, env: "dev", providers: PROVIDERS },
    ...(files && { tls: { cert: files.serverCert, key: files.serverKey, ca: files.ca } }),
  });
  const server = stack.use(await startNats({ configFile: credentials.configFile, program }));
  const url = files === undefined ? server.url : server.url.replace("nats:", "tls:");
  const tls = files && { tlsCaFile: files.ca, tlsCertFile: files.clientCert, tlsKeyFile: files.clientKey };
  const result = await provision({
    transports: STORE_ACCOUNTS.map((account) => ({
      ...credentials.storeTransport(account, [url], "provision"),
      ...tls,
    })),
    ...{ env: "dev", replicas: 1, log: createLogger({ name: "provision", level: "silent" }) },
  });
  if (!result.ok) throw new Error(result.problems.join("\n"));
  const redisTls = files && { cert: files.serverCert, key: files.serverKey, ca: files.ca };
  const redis = stack.use(await startRedis(redisTls === undefined ? {} : { tls: redisTls }));
  const hasAll = services.includes("rollback-controller") && services.includes("trust-scorer");
  const variables = (user: string): Record<string, string> => ({
    ...(parseEnv(readFileSync(join(folder, `${user}.env`), "utf8")) as Record<string, string>),
    NATS_URL: url,
    ...(files && { NATS_TLS_CA: files.ca, NATS_TLS_CERT: files.clientCert, NATS_TLS_KEY: files.clientKey }),
    ...(!hasAll && { SCBE_CONTROL_PUBLIC_KEY: "none", SCBE_TRUST_SCORER: "none" }),
  });
  const kmsKeyFile = join(folder, "kms.key");
  writeFileSync(kmsKeyFile, `scbe-local-kms-1 ${randomBytes(32).toString("base64url")}\n`, { mode: 0o600 });
  const own: Readonly<Record<string, Record<string, string>>> = {
    keyring: { SCBE_KMS_KEY_FILE: kmsKeyFile },
    "replay-guard": { REDIS_URL: redis.url, ...(files && { REDIS_TLS_CA: files.ca }) },
    "rollback-controller": TOKENS,
  };
  const started = await Promise.all(
    services.map(async (name) => {
      const env = { ...variables(name), ...own[name] };
      return stack.use(await startServiceProcess(name, `services/${name}/src/main.ts`, env));
    }),
  );
  await Promise.all(started.map((service) => service.ready(60_000)));
  const held = stack.move();
  return {
    ...{ folder, credentials, server, url, certificates: files, variables },
    transport: (user) => ({ ...credentials.transport(user, [url]), ...tls }),
    service: (name) => {
      const found = started.find((service) => service.name === name);
      if (found === undefined) throw new Error(`no service is named ${name}`);
      return found;
    },
    client: (user, more = {}) => connect({ name: user, variables: variables(user), ...more }),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
