import { PROVIDER_NAMES } from "@scbe/examples/providers";
import {
  type Credentials,
  createLogger,
  issueCredentials,
  provision,
  type Transport,
} from "@scbe/service-kit";
import type { StartConfig } from "./config.ts";
import type { ControlAccess } from "./control-api.ts";
import { baseEnvironment, tracingEnvironment } from "./environment.ts";
import { Fleet } from "./fleet.ts";
import { keepOrCreateKmsKey, keepOrCreateTokens, type LocalFolder } from "./local-folder.ts";
import { Monitoring, type MonitoringUrls, NO_MONITORING } from "./monitoring/monitoring.ts";
import { scrapeJobs } from "./monitoring/scrape-jobs.ts";
import type { NodeProgram } from "./node-program.ts";
import { gateways, type Surroundings, services, standIn, trustScorer } from "./parts.ts";
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

/** All of SCBE on loopback. Disposing stops it in reverse order: gateways, services, servers, those who watch. */
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
  /** The local stand-in for the providers, and whom it stands in for. */
  readonly standIn: { readonly url: string; readonly providers: readonly string[] };
  /** Resolves when the gateways are ready, too. @throws Error that says which one does not start, and why */
  untilServing(): Promise<void>;
  /** Resolves when the trust scorer is ready, too, which starts after all others. @throws Error that says why it does not start */
  untilScored(): Promise<void>;
  /** Resolves when the metrics of all parts, those of the trust scorer if it is ready, have been read, as they are now, if there is somebody to read them. */
  untilWatched(): Promise<void>;
}

const ENVIRONMENT = "dev";
const READY_TIMEOUT_MS = 60_000;

/**
 * Brings everything up; the gateways are still starting when it resolves.
 * @throws Error that says what does not start, and why; AbortError when given up
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { folder, config, own, orchestratorUrl, signal } = options;
  await using stack = new AsyncDisposableStack();
  const base = baseEnvironment(own);
  const credentials = issueCredentials(folder.credentials, { env: ENVIRONMENT, providers: PROVIDER_NAMES });
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
      NATS_NKEY_SEED_FILE: credentials.seedFile(user),
    }),
  };
  const provider = standIn(from, base);
  const redisUrl = redis && (() => redis.url);
  const { askersFile, controlSeedFile } = credentials;
  const tokenFiles = keepOrCreateTokens(folder);
  let watchers: MonitoringUrls = NO_MONITORING;
  const ourServices = services(from, {
    ...{ askersFile, controlSeedFile, tokenFiles, redisUrl },
    watchers: () => watchers,
  });
  const scorer = trustScorer(from);
  const ourGateways = gateways(from, () => provider.url);
  // Prometheus looks for its targets every five seconds: it has to know their ports when it starts.
  const parts = [...ourServices, scorer, ...ourGateways];
  await Promise.all(parts.map((part) => part.pickPort()));
  const jobs = () =>
    scrapeJobs({ services: [...ourServices, scorer], gateways: ourGateways, orchestratorUrl });
  const control = { url: () => opsUrlOf(ourServices, "rollback-controller"), tokenFiles };
  const monitoring = stack.use(
    await Monitoring.begin({ config, folder, own, env: base, jobs, control }, signal),
  );
  watchers = monitoring.expected;

  say("starting the servers, and the stand-in for the providers");
  const servers = stack.use(new Fleet());
  const standInReady = servers.start([provider.program], READY_TIMEOUT_MS, signal);
  standInReady.catch(() => undefined);
  await servers.start([nats.program, ...(redis ? [redis.program] : [])], READY_TIMEOUT_MS, signal);
  await makeStores(transport("provision"), folder, signal);
  tracing = tracingEnvironment(own, await monitoring.otlpUrl());

  say(
    `starting keyring, replay guard, envelope service, rollback controller, trust scorer and ${PROVIDER_NAMES.length} gateways`,
  );
  say(whoAnswers(own));
  const serviceFleet = stack.use(new Fleet());
  const gatewayFleet = stack.use(new Fleet());
  const startGateways = async (): Promise<void> => {
    await standInReady;
    await gatewayFleet.start(programsOf(ourGateways), READY_TIMEOUT_MS, signal);
  };
  const serving = startGateways();
  serving.catch(() => undefined);
  await serviceFleet.start(programsOf(ourServices), READY_TIMEOUT_MS, signal);
  // No request waits for it, so it takes no CPU from those that requests wait for.
  let isScored = false;
  const scoring = serving
    .then(() => serviceFleet.start([scorer.program], READY_TIMEOUT_MS, signal))
    .then(() => {
      isScored = true;
    });
  scoring.catch(() => undefined);
  const held = stack.move();
  return {
    natsUrl: nats.url,
    transport,
    variables,
    tracing,
    parts: parts.map(({ program: { name }, opsUrl }) => ({ name, opsUrl })),
    get monitoring() {
      return monitoring.urls;
    },
    control: { url: control.url(), tokenFiles },
    standIn: { url: provider.url, providers: standsInFor(own) },
    untilServing: () => serving,
    untilScored: () => scoring,
    untilWatched: () => monitoring.untilScraped(isScored ? [] : [scorer.program.name]),
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
    SCBE_KEYRING_PUBLIC_KEY: keyringPublicKey,
    SCBE_CONTROL_PUBLIC_KEY: controlPublicKey,
  };
}

async function makeStores(
  transport: Transport,
  { natsStore }: LocalFolder,
  signal: AbortSignal,
): Promise<void> {
  const log = createLogger({ name: "provision", level: "silent" });
  const result = await provision({
    ...transport,
    name: "provision",
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

function opsUrlOf(parts: readonly NodeProgram[], name: string): string {
  const part = parts.find(({ program }) => program.name === name);
  if (part === undefined) throw new Error(`there is no part named ${name}`);
  return part.opsUrl;
}
