/** What SCBE needs of a registry of metrics. A `Registry` of prom-client is one, in its default format. */
export interface MetricsRegistry {
  readonly contentType: string;
  getSingleMetric(name: string): unknown;
  registerMetric(metric: never): void;
}

/** Prometheus's text format 0.0.4, as prom-client writes it. */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** A registry for a program that shows no metrics: it holds them, so that parts of the program share them. */
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
