import type { Clock } from "@scbe/runtime";
import { ReplayTable } from "../domain/replay-table.ts";
import type { ReplayStore } from "../ports.ts";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  /** Envelopes at most; further ones are refused, older ones are never forgotten. */
  readonly entriesMax: number;
  /** Envelopes of one provider at most, in all buckets of an epoch together. */
  readonly quota: number;
  /** Identifies this incarnation of the store; another one at each start. */
  readonly id: string;
}

/** The replay store of a single guard: it and its epoch end with the process. */
export function memoryStore({ clock, entriesMax, quota, id }: MemoryStoreOptions): ReplayStore {
  const table = new ReplayTable(id, { entriesMax, quota });
  return {
    note: "in memory, for one node: neither REDIS_URL nor REDIS_SENTINELS is set",
    admit: async (request) => table.admit(request, clock.monotonic()),
    make: async (buckets, store) => table.make(buckets, store, clock.monotonic()),
    look: async (epoch, minutes) => table.look(epoch, minutes, clock.monotonic()),
    measure: async (epoch, minutes) => table.measure(epoch, minutes, clock.monotonic()),
    onChange: () => ({ [Symbol.dispose]: () => undefined }),
    [Symbol.asyncDispose]: async () => table.drop(() => true),
  };
}
