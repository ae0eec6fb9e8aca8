import { type Bucket, comparedKey, newestReadable, type StoreBus } from "@scbe/bus";
import { KV_KEYS } from "@scbe/contracts";
import {
  encodeVerifiers,
  type KnownVerifiers,
  NOTHING_HEARD,
  readVerifiers,
} from "../domain/known-verifiers.ts";

/** Where one leading controller leaves to the next one which verifiers it has heard. */
export interface VerifiersStore {
  /** @throws ScbeError what the bus throws */
  read(): Promise<StoredVerifiers>;
  /** The new revision; undefined when the store is not at `revision` any more (undefined: empty). */
  write(known: KnownVerifiers, revision: number | undefined): Promise<number | undefined>;
}

export interface StoredVerifiers {
  readonly known: KnownVerifiers;
  readonly revision: number | undefined;
  /** False: what is stored cannot be read, and `known` are the newest before it that can; none where none can. */
  readonly isReadable: boolean;
}

/** The verifiers that were heard lately, as one key of the control bucket. */
export function kvVerifiersStore(
  store: Pick<StoreBus, "onReconnect">,
  bucket: Bucket,
): VerifiersStore & Disposable {
  const key = comparedKey(store, bucket, KV_KEYS.verifiers);
  const former = () => newestReadable(bucket, KV_KEYS.verifiers, readVerifiers);
  return {
    async read() {
      const entry = await key.read();
      if (entry === undefined) return { known: NOTHING_HEARD, revision: undefined, isReadable: true };
      const known = readVerifiers(entry.value);
      const isReadable = known !== undefined;
      return { known: known ?? (await former()) ?? NOTHING_HEARD, revision: entry.revision, isReadable };
    },
    write: (known, revision) => key.write(encodeVerifiers(known), revision),
    [Symbol.dispose]: () => key[Symbol.dispose](),
  };
}
