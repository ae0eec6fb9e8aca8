import {
  allStores,
  BUCKET_HISTORY,
  cutText,
  type Environment,
  isScbeError,
  ScbeError,
  type Store,
} from "@scbe/contracts";
import {
  DiscardPolicy,
  type JetStreamManager,
  NatsError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "nats";
import type { StoreTransport } from "../config.ts";
import { connectNats, type LinkOptions, linkOfStore } from "./connect.ts";
import { isMissingStream, toScbeError } from "./errors.ts";

export interface ProvisionOptions extends Pick<LinkOptions, "log" | "signal" | "timeoutMs"> {
  /** How to reach each account, as its provisioning user. */
  readonly transports: readonly StoreTransport[];
  /** Stamped into every bucket and stream; a stream with another environment's stamp is refused. */
  readonly env: Environment;
  /** Copies of each bucket and stream in a cluster of NATS servers: 1, 3 or 5. */
  readonly replicas: number;
}

/** What was done, stream by stream, or every problem that prevents all of it. */
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
 * Creates and updates the buckets and streams of these accounts by the table of stores. It can run any number of times, reads all streams before it
 * changes one, and never deletes one.
 * @throws ScbeError as {@link connectNats}; FORBIDDEN for a user without these rights; NOT_READY if JetStream does not answer; BAD_REQUEST if the
 *   server refuses, as with more replicas than it has peers
 */
export async function provision(options: ProvisionOptions): Promise<Provisioning> {
  await using links = new AsyncDisposableStack();
  const steps: Step[] = [];
  for (const transport of options.transports) {
    const link = { ...options, ...transport, ...linkOfStore(transport) };
    const { connection } = await connectNats(link);
    links.defer(() => connection.close());
    if (options.replicas > 1 && connection.info?.cluster === undefined) {
      const lone = `${options.replicas} replicas need a cluster; this server is alone, and would lose its streams`;
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
  for (const step of steps) streams.push(await apply(step));
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

async function apply({ wanted, plan, manager }: Step): Promise<ProvisionedStream> {
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

/** Quotes JetStream's description of a refusal, which holds nothing secret. */
function failure(error: unknown, doing: string): ScbeError {
  const description = error instanceof NatsError ? error.api_error?.description : undefined;
  if (description !== undefined)
    return new ScbeError("BAD_REQUEST", `${doing}: ${description}`, { cause: error });
  const known = toScbeError(error, doing);
  if (!isScbeError(known, "NO_RESPONDERS")) return known;
  return new ScbeError("NOT_READY", `${doing}: JetStream does not answer`, { cause: error });
}

/** What to do with one stream. */
export type StreamPlan =
  | { readonly does: "create" }
  | { readonly does: "keep" }
  | { readonly does: "update"; readonly changes: readonly string[] }
  | { readonly does: "refuse"; readonly problems: readonly string[] };

export interface StreamOptions {
  readonly env: Environment;
  readonly replicas: number;
}

/** Everything that provisioning sets in a stream. */
export type WantedStream = Omit<StreamConfig, OfNewerServers | OfOtherStreams | "sealed">;
type OfNewerServers = "first_seq" | "discard_new_per_subject";
type OfOtherStreams = "mirror_direct";

/**
 * Compares a stream with its wanted configuration. It refuses a stream with a difference that the server cannot change, or that passes its
 * messages on to others: only an operator can decide about the data.
 * @param existing the stream's present configuration, `undefined` if there is no such stream
 */
export function planStream(wanted: WantedStream, existing: StreamConfig | undefined): StreamPlan {
  if (existing === undefined) return { does: "create" };
  const problems = [...problemsOfOrigin(wanted, existing), ...problemsOfShape(wanted, existing)];
  if (problems.length > 0) return { does: "refuse", problems };
  const changes = differences(wanted, existing);
  return changes.length === 0 ? { does: "keep" } : { does: "update", changes };
}

/** The wanted configuration of a stream; that of a bucket is what NATS clients expect (ADR-8). */
export function wantedStream(store: Store, { env, replicas }: StreamOptions): WantedStream {
  const common = {
    name: store.stream,
    description: `${stampOf(env)}${store.is}`,
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    num_replicas: replicas,
    max_consumers: -1,
    max_msgs: -1,
    max_bytes: store.maxBytes,
    allow_direct: true,
    deny_delete: true,
  };
  if (store.kind === "bucket") {
    return {
      ...common,
      subjects: [`$KV.${store.bucket}.>`],
      max_msgs_per_subject: BUCKET_HISTORY,
      max_msg_size: store.maxValueBytes,
      max_age: 0,
      discard: DiscardPolicy.New,
      duplicate_window: BUCKET_DUPLICATE_WINDOW_MS * NANOS_PER_MS,
      allow_rollup_hdrs: true,
      deny_purge: false,
    };
  }
  return {
    ...common,
    subjects: [...store.subjects],
    max_msgs_per_subject: store.messagesPerSubjectMax,
    max_msg_size: store.maxMessageBytes,
    max_age: store.maxAgeMs * NANOS_PER_MS,
    discard: DiscardPolicy.Old,
    duplicate_window: store.duplicateWindowMs * NANOS_PER_MS,
    allow_rollup_hdrs: false,
    deny_purge: true,
  };
}

const NANOS_PER_MS = 1_000_000;
const BUCKET_DUPLICATE_WINDOW_MS = 120_000;

/** The start of the description, which is the only text field of servers from 2.9 on. */
function stampOf(env: Environment): string {
  return `SCBE ${env}: `;
}

function problemsOfOrigin({ description = "" }: WantedStream, existing: StreamConfig): string[] {
  const stamp = description.slice(0, description.indexOf(":") + 1);
  const found = existing.description ?? "";
  if (found.startsWith(stamp)) return [];
  return [`its description begins with ${JSON.stringify(cutText(found, 80))}, not ${JSON.stringify(stamp)}`];
}

/** Fields that a server cannot change, and fields that connect a stream with others. */
const FIXED = ["storage", "retention", "max_consumers"] as const;
const FOREIGN = ["mirror", "sources", "republish", "subject_transform"] as const;

function problemsOfShape(wanted: WantedStream, existing: StreamConfig): string[] {
  return [
    ...FIXED.filter((field) => existing[field] !== wanted[field]).map(
      (field) => `${field} is ${existing[field]}, must be ${wanted[field]}, and cannot be changed`,
    ),
    ...(["deny_delete", "deny_purge"] as const)
      .filter((field) => existing[field] && !wanted[field])
      .map((field) => `${field} is set, must not be, and cannot be changed`),
    ...FOREIGN.filter((field) => existing[field] !== undefined).map((field) => `it has ${field}`),
    ...(existing.sealed ? ["it is sealed"] : []),
  ];
}

function differences(wanted: WantedStream, existing: StreamConfig): string[] {
  return Object.entries(wanted).flatMap(([field, value]) => {
    const before = JSON.stringify(existing[field as keyof StreamConfig]);
    const after = JSON.stringify(value);
    return before === after ? [] : [`${field} from ${before} to ${after}`];
  });
}
