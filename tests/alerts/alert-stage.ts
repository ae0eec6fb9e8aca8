import type { Client, ConnectOptions } from "@scbe/client";
import { type Clock, systemClock } from "@scbe/runtime";
import { startOpsServer } from "@scbe/service";
import { Registry } from "prom-client";
import { knownKeys } from "../kit/known-keys.ts";
import { rawCaller } from "../kit/raw-clients.ts";
import { type System, startSystem, TOKENS } from "../kit/system.ts";
import { alertCauses, type CauseName, type CauseTimes } from "./alert-causes.ts";
import { type StarvableGateway, starvableGateway } from "./starved-gateway.ts";
import { scrapeJobsOf, startWatch, type Watch, type WatchOptions } from "./watch.ts";

/** SCBE with a provider for each cause of an alert, a provider `quiet` without traffic, and Prometheus and Alertmanager. */
export interface AlertStage extends AsyncDisposable {
  readonly system: System;
  readonly watch: Watch;
  /** An orchestrator with a correct clock. */
  readonly orchestrator: WatchedClient;
  /** The gateway of a provider. @throws Error if it is another process */
  gateway(provider: string): WatchedClient;
  /** Starts these causes, until the result or the stage is disposed. */
  begin(...causes: readonly CauseName[]): AsyncDisposable;
}

export interface AlertStageOptions extends CauseTimes, Omit<WatchOptions, "targets"> {
  /** The causes that {@link AlertStage.begin} can start. */
  readonly causes: readonly CauseName[];
  /** Runs a rollback controller that receives the alerts; otherwise `controller` receives them. */
  readonly rollback?: true;
}

export const QUIET = "quiet";
/** The causes whose gateways are processes of their own. */
const STARVABLE: readonly CauseName[] = ["starved", "choking"];
const OFF_MS = 3000;
const AHEAD: Clock = { now: () => Date.now() + OFF_MS, monotonic: systemClock.monotonic };

export async function startAlertStage({ causes, ...options }: AlertStageOptions): Promise<AlertStage> {
  await using stack = new AsyncDisposableStack();
  const use = async <T extends AsyncDisposable>(one: Promise<T>): Promise<T> => stack.use(await one);
  const system = await use(
    startSystem({ providers: [...causes, QUIET], controller: options.rollback === true }),
  );
  const starved = new Map<string, StarvableGateway>();
  const gateways = new Map<string, WatchedClient>();
  await Promise.all([
    ...causes
      .filter((name) => STARVABLE.includes(name))
      .map(async (name) => starved.set(name, await use(starvableGateway(system, name)))),
    ...[...causes.filter((name) => !STARVABLE.includes(name)), QUIET].map(async (name) =>
      gateways.set(name, await use(watchedGateway(system, name))),
    ),
  ]);
  const [orchestrator, ahead, idle] = await Promise.all([
    use(watchedOrchestrator(system)),
    use(watchedOrchestrator(system, { clock: AHEAD })),
    use(watchedOrchestrator(system, { clock: AHEAD })),
  ]);
  const caller = await use(rawCaller(system));
  const keys = await knownKeys(system);
  const targets = scrapeJobsOf(system, {
    gateways: [...starved.values(), ...gateways.values()],
    orchestrators: [orchestrator, ahead, idle],
  });
  const own = system.controller && {
    controller: { url: system.controller.apiUrl, token: TOKENS.SCBE_ALERTMANAGER_TOKEN },
  };
  const watch = await use(startWatch({ ...options, ...own, targets }));
  const cast = {
    caller,
    keys,
    orchestrator: orchestrator.client,
    ahead: ahead.client,
    idle: idle.client,
    starve: async (provider: string) => found(starved, provider).starve(),
  };
  const all = alertCauses(options);
  const held = stack.move();
  return {
    system,
    watch,
    orchestrator,
    gateway: (provider) => found(gateways, provider),
    begin: (...names) => held.use(inOne(names.map((name) => all[name](cast)))),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function found<T>(gateways: ReadonlyMap<string, T>, provider: string): T {
  const gateway = gateways.get(provider);
  if (gateway === undefined) throw new Error(`no such gateway of ${provider}`);
  return gateway;
}

/** Disposes all of them, once. */
function inOne(several: readonly AsyncDisposable[]): AsyncDisposable {
  let ending: Promise<unknown> | undefined;
  return {
    [Symbol.asyncDispose]: async () => {
      ending ??= Promise.all(several.map((one) => one[Symbol.asyncDispose]()));
      await ending;
    },
  };
}

/** A client of this process with its own ops port, like a process of its own. */
export interface WatchedClient extends AsyncDisposable {
  readonly client: Client;
  /** The address of its ops port, for Prometheus. */
  readonly target: string;
  /** Closes the ops port. The client continues. */
  hide(): Promise<void>;
}

/** A gateway of a provider with a short answer. */
export async function watchedGateway(system: System, provider: string): Promise<WatchedClient> {
  const watched = await watch((options) => system.gateway(provider, options));
  const body = Buffer.from("Hello to you");
  await watched.client.serve({ provider, handler: () => ({ body, contentType: "text/plain" }) });
  return watched;
}

export function watchedOrchestrator(
  system: System,
  options: Partial<ConnectOptions> = {},
): Promise<WatchedClient> {
  return watch(({ metrics }) => system.orchestrator({ ...options, metrics }));
}

const HOST = "127.0.0.1";

async function watch(
  connect: (options: Required<Pick<ConnectOptions, "metrics">>) => Promise<Client>,
): Promise<WatchedClient> {
  await using stack = new AsyncDisposableStack();
  const metrics = new Registry();
  const client = stack.use(await connect({ metrics }));
  const ops = stack.use(await startOpsServer({ host: HOST, port: 0, metrics, readiness: client.readiness }));
  const held = stack.move();
  return {
    client,
    target: `${HOST}:${ops.port}`,
    hide: async () => ops[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}
