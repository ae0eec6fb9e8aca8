import { BUCKET_HISTORY, cutText, type Environment, type Store } from "@scbe/contracts";
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from "nats";

/** What is to become of one stream. */
export type StreamPlan =
  | { readonly does: "create" }
  | { readonly does: "keep" }
  | { readonly does: "update"; readonly changes: readonly string[] }
  | { readonly does: "refuse"; readonly problems: readonly string[] };

export interface StreamOptions {
  readonly env: Environment;
  readonly replicas: number;
}

/** Everything that provisioning decides about a stream. */
export type WantedStream = Omit<StreamConfig, OfNewerServers | OfOtherStreams | "sealed">;
type OfNewerServers = "first_seq" | "discard_new_per_subject";
type OfOtherStreams = "mirror_direct";

/**
 * Compares a stream with what it should be. What the server could not change, or what would hand its messages on to others,
 * is refused rather than touched: only a person can say what is to become of the data.
 * @param existing the stream's present configuration, `undefined` where there is no such stream
 */
export function planStream(wanted: WantedStream, existing: StreamConfig | undefined): StreamPlan {
  if (existing === undefined) return { does: "create" };
  const problems = [...problemsOfOrigin(wanted, existing), ...problemsOfShape(wanted, existing)];
  if (problems.length > 0) return { does: "refuse", problems };
  const changes = differences(wanted, existing);
  return changes.length === 0 ? { does: "keep" } : { does: "update", changes };
}

/** The stream behind a bucket is what the NATS clients expect of one (ADR-8). */
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

/** Stands in front of the description: the one field for text that every server from 2.9 on has. */
function stampOf(env: Environment): string {
  return `SCBE ${env}: `;
}

function problemsOfOrigin({ description = "" }: WantedStream, existing: StreamConfig): string[] {
  const stamp = description.slice(0, description.indexOf(":") + 1);
  const found = existing.description ?? "";
  if (found.startsWith(stamp)) return [];
  return [`it says ${JSON.stringify(cutText(found, 80))} of itself, not ${JSON.stringify(stamp)}`];
}

/** Fields that a server never changes, and those that feed a stream from, or hand it on to, somewhere else. */
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
