import { type Bucket, comparedKey, newestReadable, type StoreBus } from "@scbe/bus";
import { type Environment, KV_KEYS, ScbeError, SignedControl } from "@scbe/contracts";
import { type ControlDocument, encodeControl, readControl } from "@scbe/envelope/control";

/** Where the control document is stored. */
export interface ControlStore {
  /**
   * The stored value; undefined: the store is empty.
   * @throws UnusableRecord FORBIDDEN if it is a control document that this controller's key has not signed for this environment; what the
   *   bus throws
   */
  read(): Promise<StoredControl | UnreadableControl | undefined>;
  /** The new revision; undefined if the store is no longer at `revision` (undefined: empty), because another controller wrote first. */
  write(document: ControlDocument, revision: number | undefined): Promise<number | undefined>;
  /** Runs when the stored value may have changed. */
  watch(listener: () => void): AsyncDisposable;
}

export interface StoredControl {
  readonly document: ControlDocument;
  readonly revision: number;
}

/** The stored value is not a control document at all. */
export interface UnreadableControl {
  readonly document: undefined;
  /** The newest earlier value that is readable. */
  readonly former: ControlDocument | undefined;
  readonly revision: number;
}

/**
 * The store holds a control document of another key or environment, so this controller is configured wrongly. A controller that starts ends;
 * one that runs overwrites nothing, and still sends kills.
 */
export class UnusableRecord extends ScbeError {}

export interface ControlStoreOptions {
  readonly store: Pick<StoreBus, "onReconnect">;
  readonly bucket: Bucket;
  readonly env: Environment;
  /** The key that all controllers share. */
  readonly publicKey: string;
}

/** The control document, as it was signed, under one key of a KV bucket. */
export function kvControlStore({
  store,
  bucket,
  env,
  publicKey,
}: ControlStoreOptions): ControlStore & Disposable {
  const key = comparedKey(store, bucket, KV_KEYS.control);
  const readable = (value: Uint8Array): ControlDocument | undefined => {
    const read = readControl(value, { env, publicKey });
    return read.ok ? read.document : undefined;
  };
  return {
    async read() {
      const entry = await key.read();
      if (entry === undefined) return undefined;
      const document = readable(entry.value);
      if (document !== undefined) return { document, revision: entry.revision };
      if (isControl(entry.value)) throw unusable(env);
      return {
        document,
        former: await newestReadable(bucket, KV_KEYS.control, readable),
        revision: entry.revision,
      };
    },
    write: (document, revision) => key.write(encodeControl(document), revision),
    watch: (listener) => bucket.watch(KV_KEYS.control, () => listener()),
    [Symbol.dispose]: () => key[Symbol.dispose](),
  };
}

/** True for a control document of any key and environment. */
function isControl(value: Uint8Array): boolean {
  try {
    return SignedControl.safeParse(JSON.parse(Buffer.from(value).toString("utf8"))).success;
  } catch {
    return false;
  }
}

function unusable(env: Environment): UnusableRecord {
  const text = `the stored record is no control document for ${env} that this controller's key (SCBE_CONTROL_SEED) has signed`;
  return new UnusableRecord("FORBIDDEN", text);
}
