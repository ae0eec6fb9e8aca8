import { METRICS, type MetricName, type MetricRow, ScbeError } from "@scbe/contracts";
import { type MetricsRegistry, PROMETHEUS_CONTENT_TYPE } from "./registry.ts";

/** One line of a scrape. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Where it is not the metric's own. */
  readonly metricName?: string;
}

export type Labels = Readonly<Record<string, string>>;

interface Held<Cell> {
  readonly labels: Labels;
  cell: Cell;
}
/** By the value of the first label, then of the second, and so on. Joined to one key, they would cost several times as much. */
type Tree<Cell> = Map<string, Tree<Cell>> | Held<Cell>;

/**
 * A metric of the table, as a registry of prom-client asks for one. Its numbers lie in plain cells, one for each label set,
 * until a scrape reads them: prom-client's own classes take 200 to 300 ns for each count, and a request has twenty.
 */
export abstract class TableMetric<Cell> {
  readonly name: MetricName;
  readonly help: string;
  readonly type: MetricRow["kind"];
  readonly aggregator = "sum";
  protected readonly row: MetricRow;
  readonly #labelNames: readonly string[];
  readonly #held: Held<Cell>[] = [];
  #tree: Tree<Cell> | undefined;

  constructor(name: MetricName) {
    this.row = METRICS[name];
    this.name = name;
    this.help = this.row.help;
    this.type = this.row.kind;
    this.#labelNames = Object.keys(this.row.labels);
  }

  /** Has a cell for every label set of these values, those that are there already as they are. */
  extend(sets: Readonly<Record<string, readonly string[] | undefined>>): void {
    for (const labels of this.#labelSets(sets)) {
      if (this.#find(labels) !== undefined) continue;
      const held = { labels, cell: this.zero() };
      this.#held.push(held);
      this.#tree = grown(this.#tree, Object.values(labels), held);
    }
  }

  /** What the registry calls for a scrape. */
  async get() {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: await this.samples() };
  }

  /** Every cell is as it was at the start. */
  reset(): void {
    for (const held of this.#held) held.cell = this.zero();
  }

  protected abstract zero(): Cell;
  protected abstract samples(): readonly Sample[] | Promise<readonly Sample[]>;

  /** `undefined` for a label set outside of the closed ones: it is counted nowhere. */
  protected cellOf(labels: Labels): Cell | undefined {
    return this.#find(labels)?.cell;
  }

  protected cells(): Iterable<Readonly<Held<Cell>>> {
    return this.#held;
  }

  /** The same for the same values, in whatever order they are given. */
  protected keyOf(labels: Labels): string {
    return JSON.stringify(this.#labelNames.map((name) => labels[name]));
  }

  #find(labels: Labels): Held<Cell> | undefined {
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

/** @param path a label's value for each level that is left */
function grown<Cell>(
  tree: Tree<Cell> | undefined,
  [value, ...path]: readonly string[],
  held: Held<Cell>,
): Tree<Cell> {
  if (value === undefined) return held;
  const branch = tree instanceof Map ? tree : new Map<string, Tree<Cell>>();
  return branch.set(value, grown(branch.get(value), path, held));
}

/**
 * The registry's own metric of that name, or a new one in it: clients of one process may share a registry.
 * @throws ScbeError CONFLICT when it has one of that name from elsewhere; BAD_REQUEST when it serves OpenMetrics, in which
 *   counters that end in `_count` would have another name
 */
export function findOrRegister<M extends TableMetric<unknown>>(
  registry: MetricsRegistry,
  name: MetricName,
  Kind: new (name: MetricName) => M,
): M {
  if (registry.contentType !== PROMETHEUS_CONTENT_TYPE) {
    throw new ScbeError(
      "BAD_REQUEST",
      "metrics need a registry that serves Prometheus's text format 0.0.4: in OpenMetrics some would have other names",
    );
  }
  const known: unknown = registry.getSingleMetric(name);
  if (known instanceof Kind) return known;
  if (known !== undefined) {
    throw new ScbeError("CONFLICT", `the registry has a metric ${name} that is not of SCBE`);
  }
  const shown = new Kind(name);
  registry.registerMetric(shown as never);
  return shown;
}
