import { SUBJECTS } from "@scbe/contracts";
import type { Clock, MetricsRegistry, Readiness } from "@scbe/runtime";
import { counter, watchGauge } from "@scbe/runtime";
import type { Bus } from "./bus.ts";
import { ClockOffset } from "./clock-offset.ts";

export interface ProcessMetricsOptions {
  readonly metrics: MetricsRegistry;
  /** On the bus. */
  readonly name: string;
  readonly version: string;
  readonly readiness: Readiness;
  readonly clock: Clock;
}

/** What every process shows of itself; disposing ends that. */
export interface ProcessMetrics extends AsyncDisposable {
  /** From when the process has its connection. */
  follow(bus: Bus): void;
}

/**
 * Shows what every process has: its version, dependencies, connection, clock, and whether its traces arrive.
 * @throws ScbeError CONFLICT, BAD_REQUEST for a registry that cannot take it
 */
export function processMetrics({
  metrics,
  name,
  version,
  readiness,
  clock,
}: ProcessMetricsOptions): ProcessMetrics {
  const stack = new AsyncDisposableStack();
  const offset = new ClockOffset(clock);
  let bus: Bus | undefined;
  const reconnects = counter(metrics, "scbe_nats_reconnects_total");
  countExportFailures(metrics);
  stack.use(watchGauge(metrics, "scbe_build_info", () => [[{ service: name, version }, 1]]));
  stack.use(watchGauge(metrics, "scbe_dependency_up", () => dependencies(readiness)));
  stack.use(watchGauge(metrics, "scbe_nats_connected", () => [[{}, bus?.connected === true ? 1 : 0]]));
  stack.use(watchGauge(metrics, "scbe_nats_rtt_ms", async () => known(await bus?.roundTripMs())));
  stack.use(watchGauge(metrics, "scbe_clock_offset_ms", () => known(offset.ms)));
  return {
    follow(connected) {
      bus = connected;
      stack.use(bus.onReconnect(() => reconnects.inc({})));
      stack.use(bus.subscribe(SUBJECTS.ring, (message) => offset.hear(message), { optional: true }));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What to call for every batch of spans that was not delivered: `startTracing({ onExportFailure })`. */
export function countExportFailures(metrics: MetricsRegistry): () => void {
  const failures = counter(metrics, "scbe_trace_export_failures_total");
  return () => failures.inc({});
}

function dependencies(readiness: Readiness): [{ dependency: string }, number][] {
  return readiness.report().map(({ name, ok }) => [{ dependency: name }, ok ? 1 : 0]);
}

/** No line at all for what is not known. */
function known(value: number | undefined): [object, number][] {
  return value === undefined ? [] : [[{}, value]];
}
