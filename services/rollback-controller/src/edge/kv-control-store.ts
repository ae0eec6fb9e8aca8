import { type Bucket, comparedKey, newestReadable, type StoreBus } from "@scbe/bus";
import { type Environment, KV_KEYS, SignedControl } from "@scbe/contracts";
import { type ControlDocument, encodeControl, readControl } from "@scbe/envelope/control";
import type { ControlStore } from "../ports.ts";
import { UnusableRecord } from "../unusable-record.ts";

export interface ControlStoreOptions {
  readonly store: Pick<StoreBus, "onReconnect">;
  readonly bucket: Bucket;
  readonly env: Environment;
  /** The controllers' own. */
  readonly publicKey: string;
}

/** The control document, as it was signed, as one key of a KV bucket. */
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

/** True for a control document of whatever key and environment: then this controller is configured wrongly, and must not overwrite it. */
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
