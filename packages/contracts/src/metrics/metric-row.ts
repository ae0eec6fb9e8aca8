/** The kinds of processes with metrics; also the `job` under which Prometheus scrapes them. */
export const PROCESS_KINDS = [
  "orchestrator",
  "gateway",
  "envelope",
  "replay-guard",
  "keyring",
  "rollback-controller",
  "trust-scorer",
] as const;
export type ProcessKind = (typeof PROCESS_KINDS)[number];

/** Sets of label values that a process's configuration or state determines. */
export const RUN_TIME_SETS = {
  providers: "the process's own providers",
  endpoints: "the endpoints that it serves on the bus",
  dependencies: "the dependencies that `/readyz` names",
  kids: "the keys of the ring, at most 64",
  records: "the records that it owns",
  name: "its name on the bus",
  version: "its version",
} as const;
export type RunTimeSet = keyof typeof RUN_TIME_SETS;

/** The values of a label. */
export type LabelValues = readonly string[] | RunTimeSet;

/** One metric, as code, documentation and alerts know it. */
export interface MetricRow {
  readonly kind: "counter" | "gauge" | "histogram";
  /** The processes that have it. The values of its labels there can depend on what that process does. */
  readonly of: readonly ProcessKind[];
  /** Its meaning, as a sentence without a full stop. */
  readonly help: string;
  /** The unit of its values and of a histogram's bounds. */
  readonly unit: "ms" | "s" | "bytes" | "ratio" | "count" | "flag" | "number";
  readonly labels: Readonly<Record<string, LabelValues>>;
  /** Upper bounds of a histogram's buckets, rising. */
  readonly bounds?: readonly number[];
  /** Whether its series exist from the start (the default; counters and histograms start at 0), or once a value is known. */
  readonly from?: "start" | "known";
  /** How a gauge of several clients in one process, which share a registry, is combined; default `sum`. */
  readonly together?: "sum" | "max" | "min";
}

export type MetricRows = Readonly<Record<string, MetricRow>>;

/** For sealing and opening, in ms: exact at 10, 25 and 50, which targets and alerts name, and well above them. */
export const ENVELOPE_MS = [
  0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000,
] as const;

/** For clock skew, in ms: exact at 1000 and 2000, up to more than any configuration allows. */
export const SKEW_MS = [
  1, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 120_000, 300_000,
] as const;

/** For a provider's answers, in ms. */
export const ANSWER_MS = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000,
] as const;

/** For calls to the replay store, in seconds. */
export const STORE_SECONDS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.4] as const;

/** For calls to KMS, in seconds. */
export const KMS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
