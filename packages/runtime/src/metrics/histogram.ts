import type { MetricName } from "@scbe/contracts";
import type { LabelsOf, NameOf, SetsArgument } from "./labels.ts";
import type { MetricsRegistry } from "./registry.ts";
import { findOrRegister, type Labels, type Sample, TableMetric } from "./table-metric.ts";

/** How often a value was how large. */
export interface Histogram<N extends MetricName> {
  /** Nothing is counted for a label that has another value than was told when it was made. */
  observe(labels: LabelsOf<N>, value: number): void;
}

/**
 * A histogram of the table, each of its label sets empty from now on.
 * @throws ScbeError CONFLICT, BAD_REQUEST for a registry that cannot take it
 */
export function histogram<N extends NameOf<"histogram">>(
  registry: MetricsRegistry,
  name: N,
  ...[sets]: SetsArgument<N>
): Histogram<N> {
  const shown = findOrRegister(registry, name, ShownHistogram);
  shown.extend(sets ?? {});
  return shown;
}

interface Seen {
  /** For each bound those that are above the one before and not above it; then those above them all. */
  readonly counts: number[];
  sum: number;
}

class ShownHistogram extends TableMetric<Seen> implements Histogram<MetricName> {
  readonly #bounds = this.row.bounds ?? [];

  observe(labels: object, value: number): void {
    const cell = this.cellOf(labels as Labels);
    if (cell === undefined || !Number.isFinite(value)) return;
    let at = 0;
    while (value > (this.#bounds[at] ?? Number.POSITIVE_INFINITY)) at += 1;
    cell.counts[at] = (cell.counts[at] ?? 0) + 1;
    cell.sum += value;
  }

  protected zero(): Seen {
    return { counts: [...this.#bounds, 0].map(() => 0), sum: 0 };
  }

  protected samples(): Sample[] {
    return Array.from(this.cells(), ({ labels, cell }) => this.#lines(labels, cell)).flat();
  }

  #lines(labels: Labels, { counts, sum }: Seen): Sample[] {
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
