import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
  BUCKETS,
  type ControlState,
  isScbeError,
  type KillCause,
  MODE_OF_CAUSE,
  REASON_MAX,
  ScbeError,
  SUBJECTS,
} from "@scbe/contracts";
import { type ControlDocument, encodeControl, signControl } from "@scbe/envelope/control";
import {
  type Bus,
  type ConfigValues,
  connectBus,
  createLogger,
  defineConfig,
  EXIT_CODES,
  environmentVariables,
  identityFromSeed,
  readConfig,
  transportOf,
  transportVariables,
} from "@scbe/service-kit";
import { controlVariables } from "./config/control.ts";
import { engageKill } from "./domain/engage-kill.ts";
import { firstState } from "./domain/first-state.ts";
import { KILL_AHEAD_MS, nextDocument } from "./domain/next-document.ts";
import { releaseKill } from "./domain/release-kill.ts";
import { kvControlStore } from "./edge/kv-control-store.ts";
import type { ControlStore, StoredControl } from "./ports.ts";

const { SCBE_ENVIRONMENT, SCBE_PROVIDERS } = environmentVariables;
const { SCBE_CONTROL_SEED } = controlVariables;
const config = defineConfig({ SCBE_ENVIRONMENT, SCBE_PROVIDERS, ...transportVariables, SCBE_CONTROL_SEED });
type Config = ConfigValues<typeof config>;

const HELP = `Switches off, or on again, without any controller: signs a control document and publishes it on NATS.

  node services/rollback-controller/src/offline.ts activate REASON [--integrity] [--for SECONDS] [--json]
  node services/rollback-controller/src/offline.ts deactivate [REASON] [--for SECONDS] [--json]

  --integrity     nothing may go unsealed either
  --for SECONDS   how long it is repeated, once a second (10); verifiers that come later read it from the store
  --json          prints one JSON document

It connects as the user operator (NATS_URL, NATS_NKEY_SEED_FILE) and signs with SCBE_CONTROL_SEED_FILE. Switching off needs no
JetStream; switching on does.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 78 misconfigured.
`;

interface Order {
  readonly action: "activate" | "deactivate";
  readonly reason: string;
  readonly cause: KillCause;
  readonly forMs: number;
  readonly json: boolean;
}

const CONNECT_TIMEOUT_MS = 10_000;
const STORE_TIMEOUT_MS = 3000;
const TRIES = 5;
const REPEAT_MS = 1000;
const FOR_SECONDS = 10;
const FOR_SECONDS_MAX = 86_400;

process.exitCode = await main();

async function main(): Promise<number> {
  const order = readArguments();
  if (order === "help") {
    process.stdout.write(HELP);
    return EXIT_CODES.stopped;
  }
  if (typeof order === "string") return complain(order, EXIT_CODES.misused);
  const reading = readConfig(config, process.env);
  if (!reading.ok) return complain(reading.problems.join("\n"), EXIT_CODES.misconfigured);
  try {
    await carryOut(order, reading.config);
    return EXIT_CODES.stopped;
  } catch (error) {
    if (!isScbeError(error)) throw error;
    return complain(`nothing can be relied on: ${error.message}`, EXIT_CODES.failed);
  }
}

async function carryOut(order: Order, values: Config): Promise<void> {
  const log = createLogger({ name: "operator", level: "error", destination: process.stderr });
  const connection = { ...transportOf(values), name: "operator", log, timeoutMs: CONNECT_TIMEOUT_MS };
  await using bus = await connectBus(connection);
  const { document, isStored } = await put(order, values, bus);
  tell(order, document, isStored);
  const end = performance.now() + order.forMs;
  while (performance.now() < end) {
    await delay(Math.min(REPEAT_MS, end - performance.now()));
    publish(bus, document);
  }
  await bus.flush();
}

interface Put {
  readonly document: ControlDocument;
  readonly isStored: boolean;
}

/**
 * A kill is sent at once and stored if the store takes it; a release is sent when it is stored, and not before.
 * @throws ScbeError NOT_READY for a release that is not stored
 */
async function put(order: Order, values: Config, bus: Bus): Promise<Put> {
  const identity = identityFromSeed(values.SCBE_CONTROL_SEED, "SCBE_CONTROL_SEED");
  const isKill = order.action === "activate";
  using store = await openStore(bus, values, identity.publicKey);
  for (let tries = 1; ; tries += 1) {
    const stored = await store?.read();
    const document = signControl(nextState(order, values, stored), identity);
    if (isKill) publish(bus, document);
    const isStored = (await store?.write(document, stored?.revision)) !== undefined;
    if (isStored && !isKill) publish(bus, document);
    if (isStored) return { document, isStored };
    if (store !== undefined && tries < TRIES) continue;
    if (isKill) return { document, isStored };
    throw new ScbeError("NOT_READY", "the store did not take it, and switching on needs the store");
  }
}

/** On top of what is stored; of a store that is away, on top of what holds at the very first. */
function nextState(
  { action, cause, reason }: Order,
  { SCBE_ENVIRONMENT: env, SCBE_PROVIDERS: providers }: Config,
  stored: StoredControl | undefined,
): ControlState {
  const nowMs = Date.now();
  const before = stored?.document.state ?? firstState(env, providers);
  const previous = before.generation;
  const after = stored === undefined ? 0 : previous;
  if (action === "deactivate") return nextDocument(releaseKill(before), { previous, after, nowMs });
  const kill = { cause, mode: MODE_OF_CAUSE[cause], reason, by: "operator", since: nowMs };
  return nextDocument(engageKill(before, { kill }), { previous, after, nowMs, aheadMs: KILL_AHEAD_MS });
}

/** `undefined` while JetStream is away. @throws ScbeError FORBIDDEN when the server refuses this user */
async function openStore(
  bus: Bus,
  { SCBE_ENVIRONMENT: env }: Config,
  publicKey: string,
): Promise<(ControlStore & Disposable) | undefined> {
  try {
    const bucket = await bus.bucket(BUCKETS.control, { signal: AbortSignal.timeout(STORE_TIMEOUT_MS) });
    return kvControlStore({ bus, bucket, env, publicKey });
  } catch (error) {
    if (isScbeError(error, "FORBIDDEN")) throw error;
    return undefined;
  }
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

/** Or what is wrong with them. */
function readArguments(): Order | string {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        integrity: { type: "boolean" },
        for: { type: "string" },
        json: { type: "boolean" },
      },
    });
    const [action, reason = "", ...others] = positionals;
    if (values.help === true) return "help";
    if (action !== "activate" && action !== "deactivate")
      return "expected activate or deactivate; see --help";
    if (others.length > 0) return "the reason is one argument: put it in quotes";
    if (action === "activate" && reason.trim() === "") return "switching off needs a reason";
    if (reason.length > REASON_MAX) return `a reason has at most ${REASON_MAX} characters`;
    const seconds = Number(values.for ?? FOR_SECONDS);
    if (!(seconds >= 0 && seconds <= FOR_SECONDS_MAX))
      return `--for ${values.for}: expected 0 to ${FOR_SECONDS_MAX}`;
    const cause = values.integrity === true ? "integrity" : "availability";
    return { action, reason, cause, forMs: seconds * 1000, json: values.json === true };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function complain(what: string, exitCode: number): number {
  process.stderr.write(`${what}\n`);
  return exitCode;
}
