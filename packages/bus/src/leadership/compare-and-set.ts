import { isScbeError } from "@scbe/contracts";
import type { Bucket, BucketEntry, StoreBus } from "../store-bus.ts";

/** One key of a bucket, written only by whoever has seen what stands there. */
export interface ComparedKey extends Disposable {
  read(): Promise<BucketEntry | undefined>;
  /** The new revision; undefined when the key is not at `revision` any more (undefined: is there already). */
  write(value: Uint8Array, revision: number | undefined): Promise<number | undefined>;
}

/**
 * A revision is good for a write only on the connection on which it was read: a server that comes back from a restore counts
 * revisions again, and the same one then stands for something else.
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
