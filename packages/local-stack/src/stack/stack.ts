import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { provision, type Transport } from "@scbe/bus";
import { STORE_ACCOUNTS } from "@scbe/contracts";
import { type Credentials, issueCredentials } from "@scbe/credentials";
import { PROVIDER_NAMES } from "@scbe/examples/providers";
import { createLogger } from "@scbe/service";
import { natsServer } from "../nats-server.ts";
import type { NodeProgram } from "../node-program.ts";
import type { Program, Server } from "../program.ts";
import { redisServer } from "../redis-server.ts";
import { Fleet } from "../supervisor.ts";
import { say, warn } from "../terminal.ts";
import type { StartConfig } from "./config.ts";
import { baseEnvironment, providerAnswers, standInProviders, tracingEnvironment } from "./environment.ts";
import { keepOrCreateKmsKey, keepOrCreateTokens, type LocalFolder } from "./local-folder.ts";
import { Monitoring, type MonitoringUrls, scrapeJobs } from "./monitoring.ts";
import { CONTROL_API, gateways, type ProgramContext, services, standIn, trustScorer } from "./parts.ts";

export interface StackOptions {
  /** The folder of the checkout. */
  readonly root: string;
  readonly folder: LocalFolder;
  readonly config: StartConfig;
  /** The launcher's own environment. */
  readonly own: NodeJS.ProcessEnv;
  /** The ops port of the launcher's own orchestrator. */
  readonly orchestratorUrl: string;
  /** Stops the start. */
  readonly signal: AbortSignal;
}

/** All of SCBE on loopback. Disposing stops it in reverse order: gateways, envelope service, other services, servers, monitoring. */
export interface Stack extends AsyncDisposable {
  readonly natsUrl: string;
  /** How a user connects to the bus. */
  transport(user: string): Transport;
  /** The variables that all of our programs share. */
  readonly variables: Readonly<Record<string, string>>;
  /** The variables of the collector of traces. */
  readonly tracing: Readonly<Record<string, string>>;
  /** Our programs with their ops ports. */
  readonly parts: readonly { readonly name: string; readonly opsUrl: string }[];
  readonly monitoring: MonitoringUrls;
  readonly control: ControlAccess;
  /** The file of variables of the user `operator`. */
  readonly operatorEnvFile: string;
  /** The local stand-in, and the providers that it answers for. */
  readonly standIn: { readonly url: string; readonly providers: readonly string[] };
  /** Resolves when the gateways are ready as well. @throws Error with the one that does not start, and why */
  untilServing(): Promise<void>;
  /** Resolves when Prometheus, if it runs, has scraped every program after this call. */
  untilWatched(): Promise<void>;
}

/** The local controller's API, and the files of its tokens. */
export interface ControlAccess {
  readonly url: string;
  /** By the names of their variables, each with `_FILE`. */
  readonly tokenFiles: Readonly<Record<string, string>>;
}

const ENVIRONMENT = "dev";
/** The intents of the example requests. */
const INTENTS = ["chat"];
const READY_TIMEOUT_MS = 60_000;

/**
 * Starts everything; the gateways are still starting when it resolves.
 * @throws Error with what does not start, and why; AbortError when `signal` aborts
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { folder, config, own, orchestratorUrl, signal } = options;
  await using stack = new AsyncDisposableStack();
  const base = baseEnvironment(own);
  const credentials = issueCredentials(folder.credentials, {
    env: ENVIRONMENT,
    providers: PROVIDER_NAMES,
    intents: INTENTS,
    storeDir: folder.natsStore,
  });
  await keepOrCreateKmsKey(folder);

  const nats = natsServer({
    ...{ file: config.SCBE_NATS_SERVER, configFile: credentials.configFile, env: base },
    portsFolder: folder.ports,
    logFile: folder.logFile("nats-server"),
  });
  const redis = redisOf(options, base);
  const transport = (user: string): Transport => credentials.transport(user, [nats.url]);
  const variables = { ...base, ...sharedVariables(credentials) };
  let tracing: Readonly<Record<string, string>> = {};
  const context: ProgramContext = {
    ...options,
    env: (user) => ({
      ...variables,
      ...tracing,
      NATS_URL: nats.url,
      ...credentials.environment(user),
    }),
  };
  const provider = standIn(context, base);
  const redisUrl = redis && (() => redis.url);
  const { usersFile, controlSeedFile } = credentials;
  const tokenFiles = keepOrCreateTokens(folder);
  const ourServices: NodeProgram[] = [
    ...services(context, {
      ...{ usersFile, controlSeedFile, tokenFiles, redisUrl },
      monitoringUrls: () => monitoring.boundUrls(),
    }),
    trustScorer(context, usersFile),
  ];
  const ourGateways = gateways(context, () => provider.url());
  const parts = [...ourServices, ...ourGateways];
  const jobs = () => scrapeJobs({ services: ourServices, gateways: ourGateways, orchestratorUrl });
  const controller = theOne(ourServices, "rollback-controller");
  const control = { url: () => controller.url(CONTROL_API), tokenFiles };
  const monitoring = stack.use(
    await Monitoring.begin(
      { ...{ root: options.root, config, folder, own, env: base }, jobs, control },
      signal,
    ),
  );
  // Every program reports its port once it listens; Prometheus gets all of them together.
  void Promise.all(parts.map(({ listening }) => listening)).then(() => monitoring.update());

  say("starting the servers, and the stand-in for the providers");
  const servers = stack.use(new Fleet());
  const standInReady = servers.start([provider.program], READY_TIMEOUT_MS, signal);
  standInReady.catch(() => undefined);
  await servers.start([nats.program, ...(redis ? [redis.program] : [])], READY_TIMEOUT_MS, signal);
  await makeStores(credentials, nats.url, folder, signal);
  tracing = tracingEnvironment(own, await monitoring.otlpUrl());

  say(
    `starting keyring, replay guard, envelope service, rollback controller, trust scorer and ${PROVIDER_NAMES.length} gateways`,
  );
  say(providerAnswers(own));
  const serviceFleet = stack.use(new Fleet());
  // Stops before the controller, so that the controller receives its sign-off: otherwise it counts as silent for ten minutes.
  const envelopeFleet = stack.use(new Fleet());
  const gatewayFleet = stack.use(new Fleet());
  const startGateways = async (): Promise<void> => {
    await standInReady;
    await gatewayFleet.start(programsOf(ourGateways), READY_TIMEOUT_MS, signal);
  };
  const serving = startGateways();
  serving.catch(() => undefined);
  const envelope = theOne(ourServices, "envelope");
  await Promise.all([
    serviceFleet.start(programsOf(ourServices.filter((part) => part !== envelope)), READY_TIMEOUT_MS, signal),
    envelopeFleet.start(programsOf([envelope]), READY_TIMEOUT_MS, signal),
  ]);
  const held = stack.move();
  return {
    natsUrl: nats.url,
    transport,
    variables,
    tracing,
    get parts() {
      return parts.map(({ program: { name }, url }) => ({ name, opsUrl: url() }));
    },
    get monitoring() {
      return monitoring.urls;
    },
    control: { url: control.url(), tokenFiles },
    operatorEnvFile: join(folder.credentials, "operator.env"),
    standIn: { url: provider.url(), providers: standInProviders(own) },
    untilServing: () => serving,
    untilWatched: () => monitoring.untilScraped(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** It keeps nothing on the disk: the replay epoch covers the loss. */
function redisOf(
  { config, folder }: StackOptions,
  env: Readonly<Record<string, string>>,
): Server | undefined {
  if (config.SCBE_REDIS_SERVER === undefined) {
    warn("no redis-server: the replay guard keeps its records in memory, and loses them when it ends");
    return undefined;
  }
  return redisServer({
    ...{ file: config.SCBE_REDIS_SERVER, folder: folder.redisStore, env },
    password: randomBytes(24).toString("base64url"),
    settings: ["appendonly no", "maxmemory-policy noeviction", "repl-backlog-ttl 0"],
    logFile: folder.logFile("redis-server"),
  });
}

function sharedVariables({ keyringPublicKey, controlPublicKey }: Credentials): Record<string, string> {
  return {
    SCBE_ENVIRONMENT: ENVIRONMENT,
    SCBE_PROVIDERS: PROVIDER_NAMES.join(","),
    SCBE_INTENTS: INTENTS.join(","),
    SCBE_KEYRING_PUBLIC_KEY: keyringPublicKey,
    SCBE_CONTROL_PUBLIC_KEY: controlPublicKey,
  };
}

async function makeStores(
  credentials: Credentials,
  natsUrl: string,
  { natsStore }: LocalFolder,
  signal: AbortSignal,
): Promise<void> {
  const log = createLogger({ name: "provision", level: "silent" });
  const result = await provision({
    transports: STORE_ACCOUNTS.map((account) => credentials.storeTransport(account, [natsUrl], "provision")),
    log,
    env: ENVIRONMENT,
    replicas: 1,
    signal,
  });
  if (result.ok) return;
  throw new Error(`remove ${natsStore} to begin anew:\n  ${result.problems.join("\n  ")}`);
}

function programsOf(parts: readonly NodeProgram[]): Program[] {
  return parts.map(({ program }) => program);
}

function theOne(parts: readonly NodeProgram[], name: string): NodeProgram {
  const part = parts.find(({ program }) => program.name === name);
  if (part === undefined) throw new Error(`there is no program named ${name}`);
  return part;
}
