import { type Bucket, comparedKey, newestReadable, type StoreBus } from "@scbe/bus";
import { KV_KEYS } from "@scbe/contracts";
import { encodeOverrides, type PendingOverrides, readOverrides } from "../trust/overrides.ts";

/** Where words about trust wait for a trust scorer. */
export interface OverrideStore {
  /** @throws ScbeError what the bus throws */
  read(): Promise<StoredOverrides>;
  /** Writes only if the store is still at `revision` (undefined: empty); false when another controller wrote first. */
  write(words: PendingOverrides, revision: number | undefined): Promise<boolean>;
  /** Runs with what waits, and whenever that has changed; undefined: what is stored cannot be read. */
  watch(listener: (words: PendingOverrides | undefined) => void): AsyncDisposable;
}

export interface StoredOverrides {
  readonly words: PendingOverrides;
  readonly revision: number | undefined;
  /** False: what is stored cannot be read, and `words` are the newest before it that can; none where none can. */
  readonly isReadable: boolean;
}

/** The words that wait, as one key of the control bucket. */
export function kvOverrideStore(
  store: Pick<StoreBus, "onReconnect">,
  bucket: Bucket,
): OverrideStore & Disposable {
  const key = comparedKey(store, bucket, KV_KEYS.trustOverrides);
  const former = () => newestReadable(bucket, KV_KEYS.trustOverrides, readOverrides);
  return {
    async read() {
      const entry = await key.read();
      if (entry === undefined) return { words: [], revision: undefined, isReadable: true };
      const words = readOverrides(entry.value);
      const isReadable = words !== undefined;
      return { words: words ?? (await former()) ?? [], revision: entry.revision, isReadable };
    },
    write: async (words, revision) => (await key.write(encodeOverrides(words), revision)) !== undefined,
    watch: (listener) =>
      bucket.watch(KV_KEYS.trustOverrides, (entry) =>
        listener(entry === undefined ? [] : readOverrides(entry.value)),
      ),
    [Symbol.dispose]: () => key[Symbol.dispose](),
  };
}
