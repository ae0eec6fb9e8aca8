import { HEADERS, SUBJECTS } from "@scbe/contracts";
import { type Clock, counter, type MetricsRegistry, type Readiness, watchGauge } from "@scbe/runtime";
import type { Bus, BusMessage } from "./bus.ts";

export interface ProcessMetricsOptions {
  readonly metrics: MetricsRegistry;
  /** On the bus. */
  readonly name: string;
  readonly version: string;
  readonly readiness: Readiness;
  readonly clock: Clock;
}

/** The metrics of every process; disposing ends them. */
export interface ProcessMetrics extends AsyncDisposable {
  /** Call it once the process is connected. */
  follow(bus: Bus): void;
}

/**
 * Measures what every process has: its version, dependencies, connection, clock, and whether its traces are delivered.
 * @throws ScbeError CONFLICT, BAD_REQUEST for an unsuitable registry
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
  stack.use(watchGauge(metrics, "scbe_nats_rtt_ms", async () => ifKnown(await bus?.roundTripMs())));
  stack.use(watchGauge(metrics, "scbe_clock_offset_ms", () => ifKnown(offset.ms)));
  return {
    follow(connected) {
      bus = connected;
      stack.use(bus.onReconnect(() => reconnects.inc({})));
      stack.use(bus.subscribe(SUBJECTS.ring, (message) => offset.hear(message), { optional: true }));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Returns what to call for every batch of spans that was not delivered: `startTracing({ onExportFailure })`. */
export function countExportFailures(metrics: MetricsRegistry): () => void {
  const failures = counter(metrics, "scbe_trace_export_failures_total");
  return () => failures.inc({});
}

function dependencies(readiness: Readiness): [{ dependency: string }, number][] {
  return readiness.report().map(({ name, ok }) => [{ dependency: name }, ok ? 1 : 0]);
}

/** An unknown value has no line. */
function ifKnown(value: number | undefined): [object, number][] {
  return value === undefined ? [] : [[{}, value]];
}

/** So many broadcasts that one delayed broadcast does not move the median. */
const SAMPLES_MAX = 15;
/** Older samples are dropped: either clock may have been set since. */
const AGE_MS_MAX = 60_000;

/** The offset of this process's wall clock to the keyring's, by the time in the keyring's broadcasts of the ring. */
export class ClockOffset {
  readonly #clock: Clock;
  #samples: { readonly offsetMs: number; readonly atMs: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes a broadcast; one without a valid time is ignored. */
  hear(message: Pick<BusMessage, "header">): void {
    const text = message.header(HEADERS.timeMs);
    if (text === undefined || !/^\d{1,15}$/.test(text)) return;
    const offsetMs = this.#clock.now() - Number(text);
    this.#samples = [...this.#samples, { offsetMs, atMs: this.#clock.monotonic() }].slice(-SAMPLES_MAX);
  }

  /** Our clock minus the keyring's; `undefined` while there are no broadcasts. */
  get ms(): number | undefined {
    const since = this.#clock.monotonic() - AGE_MS_MAX;
    const offsets = this.#samples.filter(({ atMs }) => atMs >= since).map(({ offsetMs }) => offsetMs);
    return offsets.sort((a, b) => a - b)[Math.floor(offsets.length / 2)];
  }
}
