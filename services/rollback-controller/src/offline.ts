import { setTimeout as delay } from "node:timers/promises";
import {
  type Bus,
  connectBus,
  connectStore,
  documentEndpoint,
  environmentVariables,
  identityFromSeed,
  type StoreBus,
  storeTransportOf,
  storeVariables,
  transportOf,
  transportVariables,
} from "@scbe/bus";
import {
  BUCKETS,
  type ControlState,
  HeldGeneration,
  isScbeError,
  QUEUES,
  ScbeError,
  SUBJECTS,
  servedAs,
} from "@scbe/contracts";
import { type ControlDocument, encodeControl, signControl } from "@scbe/envelope/control";
import { type ConfigValues, defineConfig, readConfig } from "@scbe/runtime";
import { createLogger, EXIT_CODES } from "@scbe/service";
import { controlVariables } from "./config.ts";
import { engageKill } from "./domain/engage-kill.ts";
import { firstState } from "./domain/first-state.ts";
import { KILL_AHEAD, KILL_AHEAD_UNKNOWN, nextDocument, type StoredBefore } from "./domain/next-document.ts";
import { releaseKill } from "./domain/release-kill.ts";
import { kvControlStore } from "./edge/kv-control-store.ts";
import { HELP, type Order, readArguments } from "./offline/arguments.ts";
import { askControllers, type Expected, OtherDeployment, readOwn } from "./offline/other-deployment.ts";
import type { ControlStore } from "./ports.ts";

const { SCBE_ENVIRONMENT, SCBE_PROVIDERS } = environmentVariables;
const { SCBE_CONTROL_SEED } = controlVariables;
const config = defineConfig({
  SCBE_ENVIRONMENT,
  SCBE_PROVIDERS,
  ...transportVariables,
  ...storeVariables,
  SCBE_CONTROL_SEED,
});
type Config = ConfigValues<typeof config>;

const CONNECT_TIMEOUT_MS = 10_000;
const STORE_TIMEOUT_MS = 3000;
const TRIES = 5;
const REPEAT_MS = 1000;

process.exitCode = await main();

async function main(): Promise<number> {
  const order = readArguments();
  if (order === "help") {
    process.stdout.write(HELP);
    return EXIT_CODES.stopped;
  }
  if ("problem" in order) return complain(order.problem, EXIT_CODES.misused);
  const reading = readConfig(config, process.env);
  if (!reading.ok) return complain(reading.problems.join("\n"), EXIT_CODES.misconfigured);
  try {
    await carryOut(order, reading.config);
    return EXIT_CODES.stopped;
  } catch (error) {
    if (error instanceof OtherDeployment)
      return complain(
        `NOT switched ${order.action === "activate" ? "off" : "on"}: ${error.message}`,
        EXIT_CODES.failed,
      );
    if (!isScbeError(error)) throw error;
    return complain(`nothing can be relied on: ${error.message}`, EXIT_CODES.failed);
  }
}

async function carryOut(order: Order, values: Config): Promise<void> {
  const log = createLogger({ name: "operator", level: "error", destination: process.stderr });
  const connection = { ...transportOf(values), name: "operator", log, timeoutMs: CONNECT_TIMEOUT_MS };
  await using bus = await connectBus(connection);
  await using link = await reached(
    order,
    connectStore({ ...offlineTransport(values), log, timeoutMs: STORE_TIMEOUT_MS }),
  );
  const { document, isStored } = await put(order, values, { bus, link });
  await using _answering = await answer(bus, document);
  tell(order, document, isStored);
  const end = performance.now() + order.forMs;
  while (performance.now() < end) {
    await delay(Math.min(REPEAT_MS, end - performance.now()));
    publish(bus, document);
  }
  await bus.flush();
}

interface Links {
  readonly bus: Bus;
  /** To the account of the store; undefined while it is away. */
  readonly link: StoreBus | undefined;
}

function offlineTransport(values: Config) {
  return { ...storeTransportOf(values, "control"), user: "offline" } as const;
}

/** Of the store; `undefined` for a kill, which goes on without the store, whatever is the matter with it. @throws OtherDeployment; ScbeError for a release */
async function reached<T>({ action }: Order, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (action === "deactivate" || !isScbeError(error)) throw error;
    process.stderr.write(`the store is not used: ${error.message}\n`);
    return undefined;
  }
}

/** Tells verifiers that ask for it what was just signed: there may be no controller to do it. */
async function answer(bus: Bus, document: ControlDocument): Promise<AsyncDisposable> {
  const service = bus.service({
    name: "operator",
    version: "0.1.0",
    description: "Tells the control document of a switch that was made without a controller",
    queue: QUEUES.operator,
    endpoints: [
      {
        name: "control-get",
        ...servedAs("controlGet"),
        handler: documentEndpoint(HeldGeneration, ({ generation }) =>
          generation === document.state.generation ? "same" : encodeControl(document),
        ),
      },
    ],
  });
  await service.join();
  return service;
}

interface Put {
  readonly document: ControlDocument;
  readonly isStored: boolean;
}

/**
 * A kill is sent as soon as it is known that this is its deployment, and stored if the store takes it; a release is sent when it is stored,
 * and not before.
 * @throws OtherDeployment; ScbeError NOT_READY for a release that is not stored
 */
async function put(order: Order, values: Config, { bus, link }: Links): Promise<Put> {
  const identity = identityFromSeed(values.SCBE_CONTROL_SEED, "SCBE_CONTROL_SEED");
  const expected = { env: values.SCBE_ENVIRONMENT, publicKey: identity.publicKey };
  const isKill = order.action === "activate";
  using store = link && (await reached(order, openStore(link, expected)));
  const { stored: first, told } = await look(order, expected, { bus, store });
  for (let tries = 1; ; tries += 1) {
    const stored = tries === 1 ? first : store && (await reached(order, store.read()));
    const document = signControl(nextState(order, values, { stored, told }), identity);
    if (isKill) publish(bus, document);
    const written = store && (await reached(order, store.write(document, stored?.revision)));
    const isStored = written !== undefined;
    if (isStored && !isKill) publish(bus, document);
    if (isStored) return { document, isStored };
    if (store !== undefined && tries < TRIES) continue;
    if (isKill) return { document, isStored };
    throw new ScbeError("NOT_READY", "the store did not take it, and switching on needs the store");
  }
}

/** What is known of the document that is in force. */
interface Known {
  /** undefined: nothing, or the store is away. */
  readonly stored: Awaited<ReturnType<ControlStore["read"]>>;
  /** By the controllers, where the store does not tell; undefined: none answers. */
  readonly told?: ControlDocument | undefined;
}

/** Before anything is sent. @throws OtherDeployment; ScbeError for a release */
async function look(
  order: Order,
  expected: Expected,
  { bus, store }: { readonly bus: Bus; readonly store: ControlStore | undefined },
): Promise<Known> {
  const reading = store && readOwn(store, expected).then((stored) => ({ stored }));
  const known = reading && (await reached(order, reading));
  if (known?.stored !== undefined) return known;
  return { stored: undefined, told: await askControllers(bus, expected) };
}

/** On top of what is stored; else on top of what the controllers hold, or of what holds at the very first. */
function nextState(
  { action, cause, reason }: Order,
  { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers }: Config,
  { stored, told }: Known,
): ControlState {
  const nowMs = Date.now();
  const newest = stored?.document ?? told;
  const known = newest ?? (stored && (stored.document ?? stored.former));
  const before = known?.state ?? firstState(env, providers);
  const previous = before.generation;
  const after = storedBefore(known, told);
  if (action === "deactivate") return nextDocument(releaseKill(before), { previous, after, nowMs });
  const kill = { cause, reason, by: "operator", since: nowMs };
  const ahead = newest === undefined ? KILL_AHEAD_UNKNOWN : KILL_AHEAD;
  return nextDocument(engageKill(before, { kill }), { previous, after, nowMs, ahead });
}

/** Whether what a controller told was stored is not known: what went into it was. */
function storedBefore(known: ControlDocument | undefined, told: ControlDocument | undefined): StoredBefore {
  if (known === undefined) return { generation: 0 };
  if (known === told) return { generation: known.state.after ?? 0, digest: known.state.after_digest };
  return { generation: known.state.generation, digest: known.digest };
}

async function openStore(link: StoreBus, expected: Expected): Promise<ControlStore & Disposable> {
  const bucket = await link.bucket(BUCKETS.control, { signal: AbortSignal.timeout(STORE_TIMEOUT_MS) });
  return kvControlStore({ store: link, bucket, ...expected });
}

function publish(bus: Bus, document: ControlDocument): void {
  bus.publish(SUBJECTS.controlState, encodeControl(document));
}

function tell({ action, json }: Order, { state }: ControlDocument, isStored: boolean): void {
  const { generation } = state;
  const words = `${action === "activate" ? "switched off" : "switched on"}: generation ${generation} was sent`;
  const stored = isStored
    ? "and is stored"
    : "and is NOT stored: verifiers that come later do not know of it";
  process.stdout.write(
    json ? `${JSON.stringify({ action, generation, stored: isStored })}\n` : `${words} ${stored}\n`,
  );
}

function complain(what: string, exitCode: number): number {
  process.stderr.write(`${what}\n`);
  return exitCode;
}
