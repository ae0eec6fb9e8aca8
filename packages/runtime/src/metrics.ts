import type { MetricName } from "@scbe/contracts";
import {
  findOrRegister,
  type Labels,
  type LabelsOf,
  type MetricsRegistry,
  type NameOf,
  type Sample,
  type SetsArgument,
  TableMetric,
} from "./table-metric.ts";

/** Only ever rises. */
export interface Counter<N extends MetricName> {
  /** A label value that was not declared is not counted. */
  inc(labels: LabelsOf<N>, by?: number): void;
}

/** A value that rises and falls. */
export interface Gauge<N extends MetricName> {
  /** A label value that was not declared is ignored. */
  set(labels: LabelsOf<N>, value: number): void;
}

/** Counts values by size. */
export interface Histogram<N extends MetricName> {
  /** A label value that was not declared is not counted. */
  observe(labels: LabelsOf<N>, value: number): void;
}

/**
 * A counter of the table, with each of its label sets at 0.
 * @throws ScbeError CONFLICT, BAD_REQUEST for an unsuitable registry
 * @example
 * const grants = counter(metrics, "scbe_keyring_grants_total");
 * grants.inc({ result: "granted" });
 */
export function counter<N extends NameOf<"counter">>(
  registry: MetricsRegistry,
  name: N,
  ...[sets]: SetsArgument<N>
): Counter<N> {
  const metric = findOrRegister(registry, name, TableCounter);
  metric.extend(sets ?? {});
  return metric;
}

/**
 * A gauge of the table that is set, with each of its label sets at 0.
 * @throws ScbeError CONFLICT, BAD_REQUEST for an unsuitable registry
 */
export function gauge<N extends NameOf<"gauge">>(
  registry: MetricsRegistry,
  name: N,
  ...[sets]: SetsArgument<N>
): Gauge<N> {
  const metric = findOrRegister(registry, name, TableGauge);
  metric.extend(sets ?? {});
  return metric;
}

/** A value for each label set that has one now. */
export type Readings<N extends MetricName> = Iterable<readonly [labels: LabelsOf<N>, value: number]>;

/**
 * A gauge of the table that is read at each scrape. A read that fails or takes too long yields nothing, and does not hold up the scrape.
 * Disposing ends it.
 * @throws ScbeError CONFLICT, BAD_REQUEST for an unsuitable registry
 * @example
 * using watching = watchGauge(metrics, "scbe_requests_in_flight", () => [[{}, open.size]]);
 */
export function watchGauge<N extends NameOf<"gauge">>(
  registry: MetricsRegistry,
  name: N,
  read: () => Readings<N> | Promise<Readings<N>>,
): Disposable {
  return findOrRegister(registry, name, TableGauge).watch(read);
}

/**
 * A histogram of the table, with each of its label sets empty.
 * @throws ScbeError CONFLICT, BAD_REQUEST for an unsuitable registry
 */
export function histogram<N extends NameOf<"histogram">>(
  registry: MetricsRegistry,
  name: N,
  ...[sets]: SetsArgument<N>
): Histogram<N> {
  const metric = findOrRegister(registry, name, TableHistogram);
  metric.extend(sets ?? {});
  return metric;
}

class TableCounter extends TableMetric<{ value: number }> implements Counter<MetricName> {
  inc(labels: object, by = 1): void {
    const cell = this.cellOf(labels as Labels);
    if (cell !== undefined) cell.value += by;
  }

  protected zero(): { value: number } {
    return { value: 0 };
  }

  protected samples(): Sample[] {
    return Array.from(this.cells(), ({ labels, cell }) => ({ labels, value: cell.value }));
  }
}

type Reading = readonly [labels: Labels, value: number];
type Read = () => Iterable<Reading> | Promise<Iterable<Reading>>;

/** How the values of several readers of one gauge become one. */
const COMBINE = {
  sum: (a: number, b: number) => a + b,
  max: Math.max,
  min: Math.min,
} as const;

class TableGauge extends TableMetric<{ value: number }> implements Gauge<MetricName> {
  readonly #reads = new Set<Read>();

  set(labels: object, value: number): void {
    const cell = this.cellOf(labels as Labels);
    if (cell !== undefined) cell.value = value;
  }

  watch(read: Read): Disposable {
    // A function of its own, since the same one may be passed twice.
    const own = () => read();
    this.#reads.add(own);
    return { [Symbol.dispose]: () => void this.#reads.delete(own) };
  }

  protected zero(): { value: number } {
    return { value: 0 };
  }

  protected async samples(): Promise<Sample[]> {
    const combine = COMBINE[this.row.together ?? "sum"];
    const samples = new Map<string, { labels: Labels; value: number }>();
    for (const { labels, cell } of this.cells())
      samples.set(this.keyOf(labels), { labels, value: cell.value });
    const readings = await Promise.all([...this.#reads].map(readWithin));
    for (const [labels, value] of readings.flat()) {
      const key = this.keyOf(labels);
      const known = samples.get(key);
      samples.set(key, { labels, value: known === undefined ? value : combine(known.value, value) });
    }
    return [...samples.values()];
  }
}

/** How long a scrape waits for one read; Prometheus itself gives up after seconds. */
const READ_MS_MAX = 500;

/** The readings, or none if the read fails or takes too long. Never rejects. */
async function readWithin(read: Read): Promise<Reading[]> {
  try {
    const found = read();
    const readings = found instanceof Promise ? await within(found, READ_MS_MAX) : found;
    return [...readings].filter(([, value]) => Number.isFinite(value));
  } catch {
    return [];
  }
}

async function within(found: Promise<Iterable<Reading>>, ms: number): Promise<Iterable<Reading>> {
  const { promise, resolve } = Promise.withResolvers<Iterable<Reading>>();
  const timer = setTimeout(() => resolve([]), ms);
  try {
    return await Promise.race([found, promise]);
  } finally {
    clearTimeout(timer);
  }
}

interface HistogramCell {
  /** For each bound the values above the previous bound and up to it; last, the values above all bounds. */
  readonly counts: number[];
  sum: number;
}

class TableHistogram extends TableMetric<HistogramCell> implements Histogram<MetricName> {
  readonly #bounds = this.row.bounds ?? [];

  observe(labels: object, value: number): void {
    const cell = this.cellOf(labels as Labels);
    if (cell === undefined || !Number.isFinite(value)) return;
    let at = 0;
    while (value > (this.#bounds[at] ?? Number.POSITIVE_INFINITY)) at += 1;
    cell.counts[at] = (cell.counts[at] ?? 0) + 1;
    cell.sum += value;
  }

  protected zero(): HistogramCell {
    return { counts: [...this.#bounds, 0].map(() => 0), sum: 0 };
  }

  protected samples(): Sample[] {
    return Array.from(this.cells(), ({ labels, cell }) => this.#lines(labels, cell)).flat();
  }

  #lines(labels: Labels, { counts, sum }: HistogramCell): Sample[] {
    let value = 0;
    const buckets = [...this.#bounds, "+Inf"].map((le, at) => {
      value += counts[at] ?? 0;
      return { labels: { le, ...labels }, value, metricName: `${this.name}_bucket` };
    });
    return [
      ...buckets,
      { labels, value: sum, metricName: `${this.name}_sum` },
      { labels, value, metricName: `${this.name}_count` },
    ];
  }
}
