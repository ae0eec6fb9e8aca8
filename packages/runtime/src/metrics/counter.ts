import type { MetricName } from "@scbe/contracts";
import type { LabelsOf, NameOf, SetsArgument } from "./labels.ts";
import type { MetricsRegistry } from "./registry.ts";
import { findOrRegister, type Sample, TableMetric } from "./table-metric.ts";

/** Only ever rises. */
export interface Counter<N extends MetricName> {
  /** Nothing is counted for a label that has another value than was told when it was made. */
  inc(labels: LabelsOf<N>, by?: number): void;
}

/**
 * A counter of the table, each of its label sets at 0 from now on.
 * @throws ScbeError CONFLICT, BAD_REQUEST for a registry that cannot take it
 * @example
 * const grants = counter(metrics, "scbe_keyring_grants_total");
 * grants.inc({ result: "granted" });
 */
export function counter<N extends NameOf<"counter">>(
  registry: MetricsRegistry,
  name: N,
  ...[sets]: SetsArgument<N>
): Counter<N> {
  const shown = findOrRegister(registry, name, ShownCounter);
  shown.extend(sets ?? {});
  return shown;
}

class ShownCounter extends TableMetric<{ value: number }> implements Counter<MetricName> {
  inc(labels: object, by = 1): void {
    const cell = this.cellOf(labels as LabelsOf<never>);
    if (cell !== undefined) cell.value += by;
  }

  protected zero(): { value: number } {
    return { value: 0 };
  }

  protected samples(): Sample[] {
    return Array.from(this.cells(), ({ labels, cell }) => ({ labels, value: cell.value }));
  }
}
