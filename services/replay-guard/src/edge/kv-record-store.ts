import type { Bucket, StoreBus } from "@scbe/bus";
import { type Environment, isScbeError, KV_KEYS, readEpoch, ScbeError, writeEpoch } from "@scbe/contracts";
import type { RecordStore } from "../ports.ts";

export interface KvRecordStore extends RecordStore, Disposable {}

/**
 * The record as one key of a KV bucket. A revision is good for a write only on the connection on which it was read: a
 * server that comes back from a restore counts revisions again, and the same one then stands for something else. A record that cannot
 * be read is overwritten by that of a new epoch.
 */
export function kvRecordStore(
  bus: Pick<StoreBus, "onReconnect">,
  bucket: Bucket,
  env: Environment,
  onMended: (into: string) => void = () => undefined,
): KvRecordStore {
  let readOnThisConnection = false;
  let isUnreadable = false;
  const following = bus.onReconnect(() => {
    readOnThisConnection = false;
  });
  return {
    async read() {
      readOnThisConnection = true;
      const entry = await bucket.get(KV_KEYS.epoch);
      if (entry === undefined) return undefined;
      const decoded = readEpoch(entry.value, env);
      isUnreadable = !decoded.ok;
      if (!decoded.ok && decoded.reason === "env")
        throw new ScbeError("FORBIDDEN", "the stored replay epoch is of another environment");
      return { record: decoded.ok ? decoded.record : undefined, revision: entry.revision };
    },
    async write(record, revision) {
      if (!readOnThisConnection) return false;
      const value = writeEpoch(record);
      try {
        if (revision === undefined) await bucket.create(KV_KEYS.epoch, value);
        else await bucket.update(KV_KEYS.epoch, value, revision);
        if (isUnreadable) onMended(`a new epoch, generation ${record.generation}`);
        isUnreadable = false;
        return true;
      } catch (error) {
        if (isScbeError(error, "CONFLICT")) return false;
        throw error;
      }
    },
    watch: (listener) => bucket.watch(KV_KEYS.epoch, () => listener()),
    [Symbol.dispose]: () => following[Symbol.dispose](),
  };
}
