import type { METRICS, MetricName } from "@scbe/contracts";

type Table = typeof METRICS;
type DeclaredLabels<N extends MetricName> = Table[N]["labels"];

/** The names of the metrics of one kind. */
export type NameOf<K extends "counter" | "gauge" | "histogram"> = {
  [N in MetricName]: Table[N]["kind"] extends K ? N : never;
}[MetricName];

type ValueOf<V> = V extends readonly (infer T extends string)[] ? T : string;

/** A value for each label of a metric, as its row says. */
export type LabelsOf<N extends MetricName> = {
  readonly [L in keyof DeclaredLabels<N>]: ValueOf<DeclaredLabels<N>[L]>;
};

/** The values that labels have in this process: those of run-time sets, and of listed ones all unless told. */
export type SetsOf<N extends MetricName> = {
  readonly [L in keyof DeclaredLabels<N> as DeclaredLabels<N>[L] extends string
    ? L
    : never]: readonly string[];
} & {
  readonly [L in keyof DeclaredLabels<N> as DeclaredLabels<N>[L] extends string
    ? never
    : L]?: readonly ValueOf<DeclaredLabels<N>[L]>[];
};

/** {@link SetsOf}, which may be left out where nothing has to be told. */
export type SetsArgument<N extends MetricName> =
  Record<never, never> extends SetsOf<N> ? [sets?: SetsOf<N>] : [sets: SetsOf<N>];
