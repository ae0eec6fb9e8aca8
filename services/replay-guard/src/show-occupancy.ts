import type { MetricsRegistry } from "@scbe/runtime";
import { gauge, watchGauge } from "@scbe/runtime";
import { eachMinute, minutesHeld, type Times } from "./domain/times.ts";
import type { EpochKeeper } from "./epoch-keeper.ts";
import type { Occupancy, ReplayStore } from "./ports.ts";

export interface ShowOccupancyOptions {
  readonly metrics: MetricsRegistry;
  readonly keeper: Pick<EpochKeeper, "inForce">;
  readonly store: Pick<ReplayStore, "measure">;
  readonly times: Times;
  readonly providers: readonly string[];
  /** Of each provider. */
  readonly quota: number;
  /** The wall clock, in ms. */
  readonly now: () => number;
}

/** Shows how full the store is, by one look for each scrape. While it is away, or no epoch is in force, nothing is shown. */
export function showOccupancy(options: ShowOccupancyOptions): Disposable {
  const { metrics, providers, quota } = options;
  const stack = new DisposableStack();
  let looking: Promise<Occupancy | undefined> | undefined;
  // All gauges of a scrape ask in the same turn.
  const look = async <Row>(rows: (occupancy: Occupancy) => Row[]): Promise<Row[]> => {
    looking ??= measure(options).finally(() => {
      looking = undefined;
    });
    const occupancy = await looking;
    return occupancy === undefined ? [] : rows(occupancy);
  };
  const one = (value: (occupancy: Occupancy) => number) => () =>
    look((occupancy) => [[{}, value(occupancy)] as const]);
  stack.use(
    watchGauge(
      metrics,
      "scbe_replay_store_used_bytes",
      one((it) => it.usedBytes),
    ),
  );
  stack.use(
    watchGauge(
      metrics,
      "scbe_replay_store_max_bytes",
      one((it) => it.maxBytes),
    ),
  );
  const ofEach = ({ entries }: Occupancy) =>
    providers.map((provider) => [{ provider }, entries.get(provider) ?? 0] as const);
  stack.use(watchGauge(metrics, "scbe_replay_store_entries", () => look(ofEach)));
  gauge(metrics, "scbe_replay_provider_quota").set({}, quota);
  return stack;
}

async function measure({ keeper, store, times, now }: ShowOccupancyOptions): Promise<Occupancy | undefined> {
  const record = keeper.inForce?.record;
  if (record === undefined) return undefined;
  return store.measure(record.epoch, eachMinute(minutesHeld(record, now(), times)));
}
