import { allStores, type Environment, isScbeError, ScbeError } from "@scbe/contracts";
import { type JetStreamManager, NatsError, type StreamConfig } from "nats";
import type { StoreTransport } from "../transport.ts";
import { connectNats, type LinkOptions, linkOfStore } from "./connect-nats.ts";
import { toScbeError } from "./errors.ts";
import { isMissingStream } from "./nats-bucket.ts";
import { planStream, type StreamPlan, type WantedStream, wantedStream } from "./plan-stream.ts";

export interface ProvisionOptions extends Pick<LinkOptions, "log" | "signal" | "timeoutMs"> {
  /** How to reach each account, as its provisioning user. */
  readonly transports: readonly StoreTransport[];
  /** Stamped into every bucket and stream; one that bears another environment's stamp is refused. */
  readonly env: Environment;
  /** Copies of each bucket and stream in a cluster of NATS servers: 1, 3 or 5. */
  readonly replicas: number;
}

/** What was done, stream by stream, or all that stands in the way of doing any of it. */
export type Provisioning =
  | { readonly ok: true; readonly streams: readonly ProvisionedStream[] }
  | { readonly ok: false; readonly problems: readonly string[] };

export interface ProvisionedStream {
  readonly stream: string;
  readonly outcome: "created" | "updated" | "unchanged";
  /** What an update changed, in words. */
  readonly changes: readonly string[];
}

/**
 * Makes the buckets and streams of these accounts what the table of stores says. It can run any number of times; it looks at all of them before
 * it touches one, and nothing is ever deleted.
 * @throws ScbeError what connecting throws; FORBIDDEN for a user without these rights; NOT_READY where JetStream does not
 *   answer; BAD_REQUEST when the server refuses, as it does with more replicas than it has peers
 */
export async function provision(options: ProvisionOptions): Promise<Provisioning> {
  await using links = new AsyncDisposableStack();
  const steps: Step[] = [];
  for (const transport of options.transports) {
    const link = { ...options, ...transport, ...linkOfStore(transport) };
    const { connection } = await connectNats(link);
    links.defer(() => connection.close());
    if (options.replicas > 1 && connection.info?.cluster === undefined) {
      const lone = `${options.replicas} replicas need a cluster; this server is alone, and would lose what it kept`;
      return { ok: false, problems: [lone] };
    }
    const manager = await connection.jetstreamManager({ checkAPI: false, timeout: API_TIMEOUT_MS });
    for (const wanted of allStores(transport.account).map((store) => wantedStream(store, options))) {
      const plan = planStream(wanted, await existingStream(manager, wanted.name));
      steps.push({ wanted, plan, manager });
    }
  }
  const problems = steps.flatMap(problemsOf);
  if (problems.length > 0) return { ok: false, problems };
  const streams: ProvisionedStream[] = [];
  for (const step of steps) streams.push(await take(step));
  return { ok: true, streams };
}

interface Step {
  readonly wanted: WantedStream;
  readonly plan: StreamPlan;
  /** Of its account. */
  readonly manager: JetStreamManager;
}

const API_TIMEOUT_MS = 5000;

async function existingStream(manager: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(name)).config;
  } catch (error) {
    if (isMissingStream(error)) return undefined;
    throw failure(error, `read stream ${name}`);
  }
}

function problemsOf({ wanted, plan }: Step): string[] {
  return plan.does === "refuse" ? plan.problems.map((problem) => `stream ${wanted.name}: ${problem}`) : [];
}

async function take({ wanted, plan, manager }: Step): Promise<ProvisionedStream> {
  const stream = wanted.name;
  if (plan.does === "create") {
    await manager.streams.add(wanted).catch((error: unknown) => {
      throw failure(error, `create stream ${stream}`);
    });
    return { stream, outcome: "created", changes: [] };
  }
  if (plan.does === "update") {
    await manager.streams.update(stream, wanted).catch((error: unknown) => {
      throw failure(error, `update stream ${stream}`);
    });
    return { stream, outcome: "updated", changes: plan.changes };
  }
  return { stream, outcome: "unchanged", changes: [] };
}

/** JetStream's own words say best what it refuses; they hold nothing secret. */
function failure(error: unknown, doing: string): ScbeError {
  const said = error instanceof NatsError ? error.api_error?.description : undefined;
  if (said !== undefined) return new ScbeError("BAD_REQUEST", `${doing}: ${said}`, { cause: error });
  const known = toScbeError(error, doing);
  if (!isScbeError(known, "NO_RESPONDERS")) return known;
  return new ScbeError("NOT_READY", `${doing}: JetStream does not answer`, { cause: error });
}
