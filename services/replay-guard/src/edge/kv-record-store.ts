import { type Bucket, comparedKey, type StoreBus } from "@scbe/bus";
import { type Environment, KV_KEYS, readEpoch, ScbeError, writeEpoch } from "@scbe/contracts";
import type { RecordStore } from "../ports.ts";

export interface KvRecordStore extends RecordStore, Disposable {}

/** The record as one key of a KV bucket. An unreadable record is overwritten by the record of a new epoch. */
export function kvRecordStore(
  bus: Pick<StoreBus, "onReconnect">,
  bucket: Bucket,
  env: Environment,
  onMended: (into: string) => void = () => undefined,
): KvRecordStore {
  const key = comparedKey(bus, bucket, KV_KEYS.epoch);
  let isUnreadable = false;
  return {
    async read() {
      const entry = await key.read();
      if (entry === undefined) return undefined;
      const decoded = readEpoch(entry.value, env);
      isUnreadable = !decoded.ok;
      if (!decoded.ok && decoded.reason === "env")
        throw new ScbeError("FORBIDDEN", "the stored replay epoch is of another environment");
      return { record: decoded.ok ? decoded.record : undefined, revision: entry.revision };
    },
    async write(record, revision) {
      const written = await key.write(writeEpoch(record), revision);
      if (written === undefined) return false;
      if (isUnreadable) onMended(`a new epoch, generation ${record.generation}`);
      isUnreadable = false;
      return true;
    },
    watch: (listener) => bucket.watch(KV_KEYS.epoch, () => listener()),
    [Symbol.dispose]: () => key[Symbol.dispose](),
  };
}
