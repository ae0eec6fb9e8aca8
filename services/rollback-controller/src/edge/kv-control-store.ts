import { type Environment, KV_KEYS } from "@scbe/contracts";
import { encodeControl, readControl } from "@scbe/envelope/control";
import { type Bucket, type Bus, comparedKey } from "@scbe/service-kit";
import type { ControlStore } from "../ports.ts";
import { UnusableRecord } from "../unusable-record.ts";

export interface ControlStoreOptions {
  readonly bus: Pick<Bus, "onReconnect">;
  readonly bucket: Bucket;
  readonly env: Environment;
  /** The controllers' own. */
  readonly publicKey: string;
}

/** The control document, as it was signed, as one key of a KV bucket. */
export function kvControlStore({
  bus,
  bucket,
  env,
  publicKey,
}: ControlStoreOptions): ControlStore & Disposable {
  const key = comparedKey(bus, bucket, KV_KEYS.control);
  return {
    async read() {
      const entry = await key.read();
      if (entry === undefined) return undefined;
      const document = readControl(entry.value, { env, publicKey });
      if (document === undefined) throw unusable(env);
      return { document, revision: entry.revision };
    },
    write: (document, revision) => key.write(encodeControl(document), revision),
    watch: (listener) => bucket.watch(KV_KEYS.control, () => listener()),
    [Symbol.dispose]: () => key[Symbol.dispose](),
  };
}

function unusable(env: Environment): UnusableRecord {
  const text = `the stored record is no control document for ${env} that this controller's key (SCBE_CONTROL_SEED) has signed`;
  return new UnusableRecord("FORBIDDEN", text);
}
