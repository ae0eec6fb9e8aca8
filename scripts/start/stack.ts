import { join } from "node:path";
import { provision, type Transport } from "@scbe/bus";
import { STORE_ACCOUNTS } from "@scbe/contracts";
import { type Credentials, issueCredentials } from "@scbe/credentials";
import { PROVIDER_NAMES } from "@scbe/examples/providers";
import { createLogger } from "@scbe/service";
import type { StartConfig } from "./config.ts";
import type { ControlAccess } from "./control-api.ts";
import { baseEnvironment, tracingEnvironment } from "./environment.ts";
import { Fleet } from "./fleet.ts";
import { keepOrCreateKmsKey, keepOrCreateTokens, type LocalFolder } from "./local-folder.ts";
import { Monitoring, type MonitoringUrls } from "./monitoring/monitoring.ts";
import { scrapeJobs } from "./monitoring/scrape-jobs.ts";
import type { NodeProgram } from "./node-program.ts";
import { CONTROL_API, gateways, type Surroundings, services, standIn, trustScorer } from "./parts.ts";
import { natsServer, redisServer, type Server } from "./servers.ts";
import type { Program } from "./supervised.ts";
import { say, warn } from "./terminal.ts";
import { standsInFor, whoAnswers } from "./who-answers.ts";

export interface StackOptions {
  readonly root: string;
  readonly folder: LocalFolder;
  readonly config: StartConfig;
  /** The launcher's own environment. */
  readonly own: NodeJS.ProcessEnv;
  /** The ops port of the launcher's own orchestrator. */
  readonly orchestratorUrl: string;
  /** Gives up starting. */
  readonly signal: AbortSignal;
}

/** All of SCBE on loopback. Disposing stops it in reverse order: gateways, the envelope service, the other services, servers, those who watch. */
export interface Stack extends AsyncDisposable {
  readonly natsUrl: string;
  /** How a user of the bus reaches it. */
  transport(user: string): Transport;
  /** The variables that all parts have in common. */
  readonly variables: Readonly<Record<string, string>>;
  /** Those by which programs of ours find the collector of traces. */
  readonly tracing: Readonly<Record<string, string>>;
  /** Parts with an ops port. */
  readonly parts: readonly { readonly name: string; readonly opsUrl: string }[];
  readonly monitoring: MonitoringUrls;
  /** The control API. */
  readonly control: ControlAccess;
  /** The file of variables of the user `operator`. */
  readonly operatorEnvFile: string;
  /** The local stand-in for the providers, and whom it stands in for. */
  readonly standIn: { readonly url: string; readonly providers: readonly string[] };
  /** Resolves when the gateways are ready, too. @throws Error that says which one does not start, and why */
  untilServing(): Promise<void>;
  /** Resolves when Prometheus, where it runs, has read the metrics of all parts as they are now. */
  untilWatched(): Promise<void>;
}

const ENVIRONMENT = "dev";
/** Of the examples. */
const INTENTS = ["chat"];
const READY_TIMEOUT_MS = 60_000;

/**
 * Brings everything up; the gateways are still starting when it resolves.
 * @throws Error that says what does not start, and why; AbortError when given up
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

  const nats = natsServer(config.SCBE_NATS_SERVER, credentials.configFile, folder, base);
  const redis = redisOf(options, base);
  const transport = (user: string): Transport => credentials.transport(user, [nats.url]);
  const variables = { ...base, ...sharedVariables(credentials) };
  let tracing: Readonly<Record<string, string>> = {};
  const from: Surroundings = {
    ...options,
    env: (user) => ({
      ...variables,
      ...tracing,
      NATS_URL: nats.url,
      ...credentials.environment(user),
    }),
  };
  const provider = standIn(from, base);
  const redisUrl = redis && (() => redis.url);
  const { usersFile, controlSeedFile } = credentials;
  const tokenFiles = keepOrCreateTokens(folder);
  const ourServices: NodeProgram[] = [
    ...services(from, {
      ...{ usersFile, controlSeedFile, tokenFiles, redisUrl },
      watchers: () => monitoring.watchers(),
    }),
    trustScorer(from, usersFile),
  ];
  const ourGateways = gateways(from, () => provider.url());
  const parts = [...ourServices, ...ourGateways];
  const jobs = () => scrapeJobs({ services: ourServices, gateways: ourGateways, orchestratorUrl });
  const controller = theOne(ourServices, "rollback-controller");
  const control = { url: () => controller.url(CONTROL_API), tokenFiles };
  const monitoring = stack.use(
    await Monitoring.begin({ config, folder, own, env: base, jobs, control }, signal),
  );
  // Each part tells its port once it listens; Prometheus is told as soon as all have.
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
  say(whoAnswers(own));
  const serviceFleet = stack.use(new Fleet());
  // Stops before the controller, which hears then that it leaves: one that does not say so counts as silent for ten minutes.
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
    standIn: { url: provider.url(), providers: standsInFor(own) },
    untilServing: () => serving,
    untilWatched: () => monitoring.untilScraped(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function redisOf(
  { config, folder }: StackOptions,
  env: Readonly<Record<string, string>>,
): Server | undefined {
  if (config.SCBE_REDIS_SERVER !== undefined) return redisServer(config.SCBE_REDIS_SERVER, folder, env);
  warn(
    "no redis-server: the replay guard keeps what it has seen in its own memory, and forgets it at its end",
  );
  return undefined;
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
  if (part === undefined) throw new Error(`there is no part named ${name}`);
  return part;
}
