import type { StoreCall } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import type { ReplayMetrics } from "./metrics.ts";
import type { ReplayStore } from "./ports.ts";

/** A store whose calls are timed, the failed ones too. */
export function timedStore(store: ReplayStore, clock: Clock, metrics: ReplayMetrics): ReplayStore {
  const timed = async <T>(call: StoreCall, work: Promise<T>): Promise<T> => {
    const startedAt = clock.monotonic();
    try {
      return await work;
    } finally {
      metrics.timed(call, (clock.monotonic() - startedAt) / 1000);
    }
  };
  return {
    note: store.note,
    admit: (question) => timed("admit", store.admit(question)),
    make: (buckets, id) => timed("make", store.make(buckets, id)),
    look: (epoch, minutes) => timed("look", store.look(epoch, minutes)),
    measure: (epoch, minutes) => timed("measure", store.measure(epoch, minutes)),
    onChange: (listener) => store.onChange(listener),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
