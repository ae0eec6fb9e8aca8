import { METRICS, type MetricName, type MetricRow, ScbeError } from "@scbe/contracts";

/** A registry of metrics, as SCBE uses it. A `Registry` of prom-client is one, in its default format. */
export interface MetricsRegistry {
  readonly contentType: string;
  getSingleMetric(name: string): unknown;
  registerMetric(metric: never): void;
}

/** Prometheus's text format 0.0.4, as prom-client writes it. */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** A registry for a program without a scrape endpoint: the parts of the program share its metrics. */
export class UnservedRegistry implements MetricsRegistry {
  readonly contentType = PROMETHEUS_CONTENT_TYPE;
  readonly #metrics = new Map<string, { readonly name: string }>();

  getSingleMetric(name: string): unknown {
    return this.#metrics.get(name);
  }

  registerMetric(metric: { readonly name: string }): void {
    this.#metrics.set(metric.name, metric);
  }
}

type Table = typeof METRICS;
type DeclaredLabels<N extends MetricName> = Table[N]["labels"];

/** The names of the metrics of one kind. */
export type NameOf<K extends "counter" | "gauge" | "histogram"> = {
  [N in MetricName]: Table[N]["kind"] extends K ? N : never;
}[MetricName];

type ValueOf<V> = V extends readonly (infer T extends string)[] ? T : string;

/** A value for each label of a metric, by its row of the table. */
export type LabelsOf<N extends MetricName> = {
  readonly [L in keyof DeclaredLabels<N>]: ValueOf<DeclaredLabels<N>[L]>;
};

/** The values of each label in this process: required where the table leaves them open, else all listed ones by default. */
export type SetsOf<N extends MetricName> = {
  readonly [L in keyof DeclaredLabels<N> as DeclaredLabels<N>[L] extends string
    ? L
    : never]: readonly string[];
} & {
  readonly [L in keyof DeclaredLabels<N> as DeclaredLabels<N>[L] extends string
    ? never
    : L]?: readonly ValueOf<DeclaredLabels<N>[L]>[];
};

/** {@link SetsOf}, optional where nothing in it is required. */
export type SetsArgument<N extends MetricName> =
  Record<never, never> extends SetsOf<N> ? [sets?: SetsOf<N>] : [sets: SetsOf<N>];

/** One line of a scrape. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** If it differs from the metric's own. */
  readonly metricName?: string;
}

export type Labels = Readonly<Record<string, string>>;

interface Entry<Cell> {
  readonly labels: Labels;
  cell: Cell;
}
/** Keyed by the value of the first label, then of the second, and so on. Joining them to one key costs several times as much. */
type Tree<Cell> = Map<string, Tree<Cell>> | Entry<Cell>;

/**
 * A metric of the table, in the form that a registry of prom-client reads. It keeps its numbers in plain cells, one for each label set:
 * prom-client's own classes take about six times as long, and a request makes twenty counts (ADR 0026).
 */
export abstract class TableMetric<Cell> {
  readonly name: MetricName;
  readonly help: string;
  readonly type: MetricRow["kind"];
  readonly aggregator = "sum";
  protected readonly row: MetricRow;
  readonly #labelNames: readonly string[];
  readonly #entries: Entry<Cell>[] = [];
  #tree: Tree<Cell> | undefined;

  constructor(name: MetricName) {
    this.row = METRICS[name];
    this.name = name;
    this.help = this.row.help;
    this.type = this.row.kind;
    this.#labelNames = Object.keys(this.row.labels);
  }

  /** Adds a cell for every label set of these values; existing cells keep their counts. */
  extend(sets: Readonly<Record<string, readonly string[] | undefined>>): void {
    for (const labels of this.#labelSets(sets)) {
      if (this.#find(labels) !== undefined) continue;
      const entry = { labels, cell: this.zero() };
      this.#entries.push(entry);
      this.#tree = grow(this.#tree, Object.values(labels), entry);
    }
  }

  /** Called by the registry for a scrape. */
  async get() {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: await this.samples() };
  }

  /** Resets every cell. */
  reset(): void {
    for (const entry of this.#entries) entry.cell = this.zero();
  }

  protected abstract zero(): Cell;
  protected abstract samples(): readonly Sample[] | Promise<readonly Sample[]>;

  /** `undefined` for an unknown label set: it is not counted. */
  protected cellOf(labels: Labels): Cell | undefined {
    return this.#find(labels)?.cell;
  }

  protected cells(): Iterable<Readonly<Entry<Cell>>> {
    return this.#entries;
  }

  /** The same for the same values, in any order. */
  protected keyOf(labels: Labels): string {
    return JSON.stringify(this.#labelNames.map((name) => labels[name]));
  }

  #find(labels: Labels): Entry<Cell> | undefined {
    let node = this.#tree;
    for (const name of this.#labelNames) {
      if (!(node instanceof Map)) return undefined;
      node = node.get(labels[name] ?? "");
    }
    return node instanceof Map ? undefined : node;
  }

  #labelSets(sets: Readonly<Record<string, readonly string[] | undefined>>): Labels[] {
    let all: Labels[] = [{}];
    for (const name of this.#labelNames) {
      const declared = this.row.labels[name];
      const values = sets[name] ?? (typeof declared === "string" ? [] : declared) ?? [];
      all = all.flatMap((labels) => values.map((value) => ({ ...labels, [name]: value })));
    }
    return all;
  }
}

/** @param path the label values of the remaining levels */
function grow<Cell>(
  tree: Tree<Cell> | undefined,
  [value, ...path]: readonly string[],
  entry: Entry<Cell>,
): Tree<Cell> {
  if (value === undefined) return entry;
  const branch = tree instanceof Map ? tree : new Map<string, Tree<Cell>>();
  return branch.set(value, grow(branch.get(value), path, entry));
}

/**
 * The registry's metric of that name, or a new one in it: clients of one process may share a registry.
 * @throws ScbeError CONFLICT if the registry has another metric of that name; BAD_REQUEST if it serves OpenMetrics, which would rename
 *   counters that end in `_count`
 */
export function findOrRegister<M extends TableMetric<unknown>>(
  registry: MetricsRegistry,
  name: MetricName,
  Kind: new (name: MetricName) => M,
): M {
  if (registry.contentType !== PROMETHEUS_CONTENT_TYPE) {
    throw new ScbeError(
      "BAD_REQUEST",
      "metrics need a registry that serves Prometheus's text format 0.0.4: OpenMetrics would rename some",
    );
  }
  const known: unknown = registry.getSingleMetric(name);
  if (known instanceof Kind) return known;
  if (known !== undefined) {
    throw new ScbeError("CONFLICT", `the registry has a metric ${name} that SCBE did not register`);
  }
  const created = new Kind(name);
  registry.registerMetric(created as never);
  return created;
}
