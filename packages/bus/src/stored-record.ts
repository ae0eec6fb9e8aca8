import { isScbeError, type OwnedRecord } from "@scbe/contracts";
import { counter, type Logger, type MetricsRegistry, type Readiness } from "@scbe/runtime";
import type { Bucket, BucketEntry, StoreBus } from "./store-bus.ts";

/** One key of a bucket, written by compare-and-set only. */
export interface ComparedKey extends Disposable {
  read(): Promise<BucketEntry | undefined>;
  /** Writes if the key is at `revision` (undefined: the key does not exist). Returns the new revision; undefined if it is not. */
  write(value: Uint8Array, revision: number | undefined): Promise<number | undefined>;
}

/**
 * A revision is valid for a write only on the connection on which it was read: a server that was restored from a backup counts revisions again, and
 * the same revision then belongs to another value.
 */
export function comparedKey(bus: Pick<StoreBus, "onReconnect">, bucket: Bucket, key: string): ComparedKey {
  let readOnThisConnection = false;
  const following = bus.onReconnect(() => {
    readOnThisConnection = false;
  });
  return {
    read: async () => {
      readOnThisConnection = true;
      return bucket.get(key);
    },
    write: async (value, revision) => {
      if (!readOnThisConnection) return undefined;
      try {
        return revision === undefined
          ? await bucket.create(key, value)
          : await bucket.update(key, value, revision);
      } catch (error) {
        if (isScbeError(error, "CONFLICT")) return undefined;
        throw error;
      }
    },
    [Symbol.dispose]: () => following[Symbol.dispose](),
  };
}

/**
 * The newest readable value among those that the bucket still has of a key; undefined if there is none.
 * @param read undefined for an unreadable value
 * @throws ScbeError as {@link Bucket.history}
 */
export async function newestReadable<T>(
  bucket: Pick<Bucket, "history">,
  key: string,
  read: (value: Uint8Array) => T | undefined,
): Promise<T | undefined> {
  for (const { value } of await bucket.history(key)) {
    const found = read(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

export interface MendedRecordOptions {
  readonly metrics: MetricsRegistry;
  readonly readiness: Pick<Readiness, "set">;
  readonly log: Logger;
  readonly record: OwnedRecord;
}

/**
 * Reports that a stored record was unreadable and its owner has replaced it: in the log, in `scbe_records_mended_total`, and as a note of readiness
 * until the process ends, since an operator has to find the cause.
 * @returns call it with a description of the replacement, once that is stored
 */
export function mendedRecord({
  metrics,
  readiness,
  log,
  record,
}: MendedRecordOptions): (into: string) => void {
  const mended = counter(metrics, "scbe_records_mended_total", { record: [record] });
  return (into) => {
    mended.inc({ record });
    log.error({ record, into }, "a stored record was unreadable, and was mended");
    readiness.set(`stored ${record}`, { ok: true, note: `it was unreadable, and was mended into ${into}` });
  };
}
