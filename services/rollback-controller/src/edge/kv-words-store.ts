import { type Bucket, comparedKey, newestReadable, type StoreBus } from "@scbe/bus";
import { KV_KEYS } from "@scbe/contracts";
import { encodeWords, readWords, type WaitingWords } from "../domain/waiting-words.ts";

/** Where words about trust wait for a trust scorer. */
export interface WordsStore {
  /** @throws ScbeError what the bus throws */
  read(): Promise<StoredWords>;
  /** Writes only if the store is still at `revision` (undefined: empty); false when another controller wrote first. */
  write(words: WaitingWords, revision: number | undefined): Promise<boolean>;
  /** Runs with what waits, and whenever that has changed; undefined: what is stored cannot be read. */
  watch(listener: (words: WaitingWords | undefined) => void): AsyncDisposable;
}

export interface StoredWords {
  readonly words: WaitingWords;
  readonly revision: number | undefined;
  /** False: what is stored cannot be read, and `words` are the newest before it that can; none where none can. */
  readonly isReadable: boolean;
}

/** The words that wait, as one key of the control bucket. */
export function kvWordsStore(store: Pick<StoreBus, "onReconnect">, bucket: Bucket): WordsStore & Disposable {
  const key = comparedKey(store, bucket, KV_KEYS.trustWords);
  const former = () => newestReadable(bucket, KV_KEYS.trustWords, readWords);
  return {
    async read() {
      const entry = await key.read();
      if (entry === undefined) return { words: [], revision: undefined, isReadable: true };
      const words = readWords(entry.value);
      const isReadable = words !== undefined;
      return { words: words ?? (await former()) ?? [], revision: entry.revision, isReadable };
    },
    write: async (words, revision) => (await key.write(encodeWords(words), revision)) !== undefined,
    watch: (listener) =>
      bucket.watch(KV_KEYS.trustWords, (entry) =>
        listener(entry === undefined ? [] : readWords(entry.value)),
      ),
    [Symbol.dispose]: () => key[Symbol.dispose](),
  };
}
