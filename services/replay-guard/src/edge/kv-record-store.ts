import { type Environment, isScbeError, KV_KEYS, ScbeError } from "@scbe/contracts";
import type { Bucket, Bus } from "@scbe/service-kit";
import { decodeRecord, encodeRecord } from "../domain/decode-record.ts";
import type { RecordStore } from "../ports.ts";

export interface KvRecordStore extends RecordStore, Disposable {}

/**
 * The record as one key of a KV bucket. A revision is good for a write only on the connection on which it was read: a
 * server that comes back from a restore counts revisions again, and the same one then stands for something else.
 */
export function kvRecordStore(
  bus: Pick<Bus, "onReconnect">,
  bucket: Bucket,
  env: Environment,
): KvRecordStore {
  let readOnThisConnection = false;
  const following = bus.onReconnect(() => {
    readOnThisConnection = false;
  });
  return {
    async read() {
      readOnThisConnection = true;
      const entry = await bucket.get(KV_KEYS.epoch);
      if (entry === undefined) return undefined;
      const decoded = decodeRecord(entry.value, env);
      if (decoded.ok) return { record: decoded.record, revision: entry.revision };
      throw decoded.reason === "env"
        ? new ScbeError("FORBIDDEN", "the stored replay epoch is of another environment")
        : new ScbeError("INTERNAL", "the stored record is no replay epoch");
    },
    async write(record, revision) {
      if (!readOnThisConnection) return false;
      const value = encodeRecord(record);
      try {
        if (revision === undefined) await bucket.create(KV_KEYS.epoch, value);
        else await bucket.update(KV_KEYS.epoch, value, revision);
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
