import type { Clock } from "@scbe/runtime";
import { ReplayTable } from "../domain/replay-table.ts";
import type { ReplayStore } from "../ports.ts";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Envelopes at most; what comes then is refused, and nothing is forgotten for it. */
  readonly entriesMax: number;
  /** Envelopes of one provider at most, in all buckets of an epoch together. */
  readonly quota: number;
  /** Names this incarnation of the store; another one at each start. */
  readonly id: string;
}

/** The replay store of one node: it is this process, and so is the epoch. */
export function memoryStore({ clock, entriesMax, quota, id }: MemoryStoreOptions): ReplayStore {
  const table = new ReplayTable(id, { entriesMax, quota });
  return {
    note: "in memory, for one node: neither REDIS_URL nor REDIS_SENTINELS is set",
    admit: async (question) => table.admit(question, clock.monotonic()),
    make: async (buckets, store) => table.make(buckets, store, clock.monotonic()),
    look: async (epoch, minutes) => table.look(epoch, minutes, clock.monotonic()),
    measure: async (epoch, minutes) => table.measure(epoch, minutes, clock.monotonic()),
    onChange: () => ({ [Symbol.dispose]: () => undefined }),
    [Symbol.asyncDispose]: async () => table.drop(() => true),
  };
}
