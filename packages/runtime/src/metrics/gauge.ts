import type { MetricName } from "@scbe/contracts";
import type { LabelsOf, NameOf, SetsArgument } from "./labels.ts";
import { type Reading, readWithin } from "./read-within.ts";
import type { MetricsRegistry } from "./registry.ts";
import { findOrRegister, type Labels, type Sample, TableMetric } from "./table-metric.ts";

/** Says how something is, as often as it is told. */
export interface Gauge<N extends MetricName> {
  /** Nothing is shown for a label that has another value than was told when it was made. */
  set(labels: LabelsOf<N>, value: number): void;
}

/**
 * A gauge of the table that is told its values, each of its label sets at 0 from now on.
 * @throws ScbeError CONFLICT, BAD_REQUEST for a registry that cannot take it
 */
export function gauge<N extends NameOf<"gauge">>(
  registry: MetricsRegistry,
  name: N,
  ...[sets]: SetsArgument<N>
): Gauge<N> {
  const shown = findOrRegister(registry, name, ShownGauge);
  shown.extend(sets ?? {});
  return shown;
}

/** What a look finds: a value for each label set that has one now. */
export type Readings<N extends MetricName> = Iterable<readonly [labels: LabelsOf<N>, value: number]>;

/**
 * A gauge of the table that has a look at each scrape. A look that fails, or takes too long, shows nothing, and keeps
 * nothing from being scraped. Disposing ends it.
 * @throws ScbeError CONFLICT, BAD_REQUEST for a registry that cannot take it
 * @example
 * using shown = watchGauge(metrics, "scbe_requests_in_flight", () => [[{}, open.size]]);
 */
export function watchGauge<N extends NameOf<"gauge">>(
  registry: MetricsRegistry,
  name: N,
  look: () => Readings<N> | Promise<Readings<N>>,
): Disposable {
  return findOrRegister(registry, name, ShownGauge).watch(look);
}

const TOGETHER = {
  sum: (a: number, b: number) => a + b,
  max: Math.max,
  min: Math.min,
} as const;

class ShownGauge extends TableMetric<{ value: number }> implements Gauge<MetricName> {
  readonly #looks = new Set<() => Iterable<Reading> | Promise<Iterable<Reading>>>();

  set(labels: object, value: number): void {
    const cell = this.cellOf(labels as Labels);
    if (cell !== undefined) cell.value = value;
  }

  watch(look: () => Iterable<Reading> | Promise<Iterable<Reading>>): Disposable {
    // One of its own, since the same look may be given twice.
    const own = () => look();
    this.#looks.add(own);
    return { [Symbol.dispose]: () => void this.#looks.delete(own) };
  }

  protected zero(): { value: number } {
    return { value: 0 };
  }

  protected async samples(): Promise<Sample[]> {
    const together = TOGETHER[this.row.together ?? "sum"];
    const samples = new Map<string, { labels: Labels; value: number }>();
    for (const { labels, cell } of this.cells())
      samples.set(this.keyOf(labels), { labels, value: cell.value });
    const readings = await Promise.all([...this.#looks].map(readWithin));
    for (const [labels, value] of readings.flat()) {
      const key = this.keyOf(labels);
      const known = samples.get(key);
      samples.set(key, { labels, value: known === undefined ? value : together(known.value, value) });
    }
    return [...samples.values()];
  }
}
