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
  type Environment,
  HeldGeneration,
  isScbeError,
  type KillCause,
  QUEUES,
  ScbeError,
  SUBJECTS,
  servedAs,
  subjectOf,
  writeMessage,
} from "@scbe/contracts";
import {
  type ControlDocument,
  claimedControl,
  encodeControl,
  signControl,
  verifiedControl,
} from "@scbe/envelope/control";
import { type ConfigValues, defineConfig, type Logger } from "@scbe/runtime";
import { OFFLINE_ACTOR } from "../audit/offline-kills.ts";
import { controlVariables } from "../config.ts";
import { KILL_AHEAD, KILL_AHEAD_UNKNOWN, nextDocument, type StoredBefore } from "../control/next-document.ts";
import { engageKill, firstState, releaseKill } from "../control/state.ts";
import { type ControlStore, kvControlStore, UnusableRecord } from "../control/store.ts";

const { SCBE_ENVIRONMENT, SCBE_PROVIDERS } = environmentVariables;
const { SCBE_CONTROL_SEED } = controlVariables;

export const offlineConfig = defineConfig({
  SCBE_ENVIRONMENT,
  SCBE_PROVIDERS,
  ...transportVariables,
  ...storeVariables,
  SCBE_CONTROL_SEED,
});
export type OfflineConfig = ConfigValues<typeof offlineConfig>;

/** What an operator orders without a controller. */
export interface OfflineOrder {
  readonly action: "activate" | "deactivate";
  readonly reason: string;
  readonly cause: KillCause;
  /** How long the document is repeated. */
  readonly forMs: number;
}

/** The document of the switch. A kill counts as done once it was sent, even if the store did not take it. */
export interface Switched {
  readonly document: ControlDocument;
  readonly isStored: boolean;
}

/** The document in force belongs to another environment or key: one that is signed here would have no effect. */
export class OtherDeployment extends Error {
  /** @param holder the holder of that document, with a verb: `the store holds` */
  constructor(holder: string, { env }: Expected) {
    super(
      `${holder} a control document of another environment or key; is SCBE_ENVIRONMENT right (it is ${env})?`,
    );
  }
}

export interface SwitchOptions {
  readonly order: OfflineOrder;
  readonly config: OfflineConfig;
  readonly log: Logger;
  /** A line for the operator. */
  readonly onWarning: (line: string) => void;
  /** Runs once the document was sent, before it is repeated. */
  readonly onSwitched: (switched: Switched) => void;
}

const CONNECT_TIMEOUT_MS = 10_000;
const STORE_TIMEOUT_MS = 3000;
/** A kill does not wait longer for the controllers' answer. */
const REQUEST = { timeoutMs: 1000, againAfterMs: 300, traced: false };
const TRIES = 5;
const REPEAT_MS = 1000;

/**
 * Switches off or on without a controller: signs a control document, broadcasts it, stores it, and repeats it for a while. Meanwhile it
 * answers verifiers that request the document.
 * @throws OtherDeployment; ScbeError if NATS is away, or for a release that could not be stored
 */
export async function switchOffline({ order, config, log, ...report }: SwitchOptions): Promise<void> {
  const connection = { ...transportOf(config), name: "operator", log, timeoutMs: CONNECT_TIMEOUT_MS };
  const storeTransport = { ...storeTransportOf(config, "control"), user: "offline" } as const;
  const attempt = <T>(work: Promise<T>) => attemptStore(work, order, report.onWarning);
  await using bus = await connectBus(connection);
  await using link = await attempt(connectStore({ ...storeTransport, log, timeoutMs: STORE_TIMEOUT_MS }));
  const switched = await issue(order, config, { bus, link, attempt });
  await using _serving = await serveDocument(bus, switched.document);
  report.onSwitched(switched);
  const end = performance.now() + order.forMs;
  while (performance.now() < end) {
    await delay(Math.min(REPEAT_MS, end - performance.now()));
    broadcast(bus, switched.document);
  }
  await bus.flush();
}

/** A kill goes on without the store, whatever its failure: `undefined`. @throws ScbeError for a release */
async function attemptStore<T>(
  work: Promise<T>,
  { action }: OfflineOrder,
  onWarning: SwitchOptions["onWarning"],
): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (action === "deactivate" || !isScbeError(error)) throw error;
    onWarning(`the store is not used: ${error.message}`);
    return undefined;
  }
}

interface Links {
  readonly bus: Bus;
  /** The connection to the account of the store; undefined while it is away. */
  readonly link: StoreBus | undefined;
  /** {@link attemptStore} */
  readonly attempt: <T>(work: Promise<T>) => Promise<T | undefined>;
}

/**
 * A kill is sent as soon as the deployment is known to be the right one, and stored if the store takes it. A release is sent only after it
 * was stored.
 * @throws OtherDeployment; ScbeError NOT_READY for a release that is not stored
 */
async function issue(
  order: OfflineOrder,
  config: OfflineConfig,
  { bus, link, attempt }: Links,
): Promise<Switched> {
  const identity = identityFromSeed(config.SCBE_CONTROL_SEED, "SCBE_CONTROL_SEED");
  const expected = { env: config.SCBE_ENVIRONMENT, publicKey: identity.publicKey };
  const isKill = order.action === "activate";
  using store = link && (await attempt(openStore(link, expected)));
  const known = store && (await attempt(readOwn(store, expected)));
  const received = known === undefined ? await requestDocument(bus, expected) : undefined;
  for (let tries = 1; ; tries += 1) {
    const stored = tries === 1 ? known : store && (await attempt(store.read()));
    const document = signControl(nextState(order, config, { stored, received }), identity);
    if (isKill) broadcast(bus, document);
    const written = store && (await attempt(store.write(document, stored?.revision)));
    const isStored = written !== undefined;
    if (isStored && !isKill) broadcast(bus, document);
    if (isStored) return { document, isStored };
    if (store !== undefined && tries < TRIES) continue;
    if (isKill) return { document, isStored };
    throw new ScbeError("NOT_READY", "the store did not take it, and switching on needs the store");
  }
}

/** What the control documents of this deployment have in common. */
interface Expected {
  readonly env: Environment;
  readonly publicKey: string;
}

async function openStore(link: StoreBus, expected: Expected): Promise<ControlStore & Disposable> {
  const bucket = await link.bucket(BUCKETS.control, { signal: AbortSignal.timeout(STORE_TIMEOUT_MS) });
  return kvControlStore({ store: link, bucket, ...expected });
}

type Stored = Awaited<ReturnType<ControlStore["read"]>>;

/** The stored value. @throws OtherDeployment; what the store throws if it is away */
async function readOwn(store: ControlStore, expected: Expected): Promise<Stored> {
  try {
    return await store.read();
  } catch (error) {
    throw error instanceof UnusableRecord ? new OtherDeployment("the store holds", expected) : error;
  }
}

/**
 * The document that the controllers hold, if the store has none. An answer that is no control document counts as no answer.
 * @throws OtherDeployment
 */
async function requestDocument(bus: Bus, expected: Expected): Promise<ControlDocument | undefined> {
  const request: HeldGeneration = { v: 1, generation: null };
  const bytes = writeMessage(request);
  let claim: ReturnType<typeof claimedControl>;
  try {
    const { data } = await bus.request(subjectOf("controlGet", { user: bus.user }), bytes, REQUEST);
    claim = claimedControl(data);
  } catch (error) {
    if (isScbeError(error)) return undefined;
    throw error;
  }
  if (claim === undefined) return undefined;
  const document = verifiedControl(claim.signed, expected);
  if (document === undefined) throw new OtherDeployment("the controllers hold", expected);
  return document;
}

/** The known content of the document in force. */
interface Known {
  /** undefined: the store is empty or away. */
  readonly stored: Stored;
  /** From the controllers. */
  readonly received: ControlDocument | undefined;
}

/** Based on the stored document, else on the one that the controllers hold, else on the first state. */
function nextState(
  { action, cause, reason }: OfflineOrder,
  { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers }: OfflineConfig,
  { stored, received }: Known,
): ControlState {
  const nowMs = Date.now();
  const newest = stored?.document ?? received;
  const known = newest ?? (stored && (stored.document ?? stored.former));
  const before = known?.state ?? firstState(env, providers);
  const previous = before.generation;
  const after = storedBefore(known, received);
  if (action === "deactivate") return nextDocument(releaseKill(before), { previous, after, nowMs });
  const kill = { cause, reason, by: OFFLINE_ACTOR, since: nowMs };
  const ahead = newest === undefined ? KILL_AHEAD_UNKNOWN : KILL_AHEAD;
  return nextDocument(engageKill(before, { kill }), { previous, after, nowMs, ahead });
}

/** A document from a controller may not be stored; the one that it is based on is. */
function storedBefore(
  known: ControlDocument | undefined,
  received: ControlDocument | undefined,
): StoredBefore {
  if (known === undefined) return { generation: 0 };
  if (known === received) return { generation: known.state.after ?? 0, digest: known.state.after_digest };
  return { generation: known.state.generation, digest: known.digest };
}

function broadcast(bus: Bus, document: ControlDocument): void {
  bus.publish(SUBJECTS.controlState, encodeControl(document));
}

/** Answers verifiers that request the document: there may be no controller to do it. */
async function serveDocument(bus: Bus, document: ControlDocument): Promise<AsyncDisposable> {
  const service = bus.service({
    name: "operator",
    version: "0.1.0",
    description: "Reads: the control document of a switch that was made without a controller",
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
