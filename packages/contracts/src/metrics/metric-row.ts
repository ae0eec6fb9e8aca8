/** The kinds of processes that show metrics; also the `job` under which Prometheus scrapes them. */
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

/** Sets of label values that a process's configuration or state closes. */
export const RUN_TIME_SETS = {
  providers: "the process's own providers",
  endpoints: "the endpoints that it serves on the bus",
  dependencies: "what `/readyz` names",
  kids: "the keys of the ring, at most 64",
  records: "the records that it owns",
  name: "its name on the bus",
  version: "its version",
} as const;
export type RunTimeSet = keyof typeof RUN_TIME_SETS;

/** All values that a label can have. */
export type LabelValues = readonly string[] | RunTimeSet;

/** One metric: everything that code, documentation and alerts need to agree on. */
export interface MetricRow {
  readonly kind: "counter" | "gauge" | "histogram";
  /** Who has it. Which of a label's values it has there can depend on what that process does. */
  readonly of: readonly ProcessKind[];
  /** What it says, as one sentence without its full stop. */
  readonly help: string;
  /** Of its values; a histogram's bounds have the same. */
  readonly unit: "ms" | "s" | "bytes" | "ratio" | "count" | "flag" | "number";
  readonly labels: Readonly<Record<string, LabelValues>>;
  /** Upper bounds of a histogram's buckets, rising. */
  readonly bounds?: readonly number[];
  /** From when its series are there; `start` unless told. Then counters and histograms start at 0. */
  readonly from?: "start" | "known";
  /** What several clients in one process, who share a registry, show of a gauge; `sum` unless told. */
  readonly together?: "sum" | "max" | "min";
}

export type MetricRows = Readonly<Record<string, MetricRow>>;
