import { type Registry, watchGauge } from "@scbe/service-kit";
import { eachMinute, minutesHeld, type Times } from "./domain/times.ts";
import type { EpochKeeper } from "./epoch-keeper.ts";
import type { Occupancy, ReplayStore } from "./ports.ts";

export interface ShowOccupancyOptions {
  readonly metrics: Registry;
  readonly keeper: Pick<EpochKeeper, "inForce">;
  readonly store: Pick<ReplayStore, "measure">;
  readonly times: Times;
  /** The wall clock, in ms. */
  readonly now: () => number;
}

/** Shows how full the store is, by one look for each scrape. While it is away, or no epoch is in force, nothing is shown. */
export function showOccupancy(options: ShowOccupancyOptions): Disposable {
  const { metrics } = options;
  const stack = new DisposableStack();
  let looking: Promise<Occupancy | undefined> | undefined;
  // All gauges of a scrape ask in the same turn.
  const look = async (part: keyof Occupancy): Promise<[object, number][]> => {
    looking ??= measure(options).finally(() => {
      looking = undefined;
    });
    const occupancy = await looking;
    return occupancy === undefined ? [] : [[{}, occupancy[part]]];
  };
  stack.use(watchGauge(metrics, "scbe_replay_store_entries", () => look("entries")));
  stack.use(watchGauge(metrics, "scbe_replay_store_used_bytes", () => look("usedBytes")));
  stack.use(watchGauge(metrics, "scbe_replay_store_max_bytes", () => look("maxBytes")));
  return stack;
}

async function measure({ keeper, store, times, now }: ShowOccupancyOptions): Promise<Occupancy | undefined> {
  const record = keeper.inForce?.record;
  if (record === undefined) return undefined;
  return store.measure(record.epoch, eachMinute(minutesHeld(record, now(), times)));
}
