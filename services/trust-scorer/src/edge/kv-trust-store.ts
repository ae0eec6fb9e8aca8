import { type Bucket, type ComparedKey, comparedKey, newestReadable, type StoreBus } from "@scbe/bus";
import { KV_KEYS, ScbeError, StreamPlace, type TrustDocument, writeMessage } from "@scbe/contracts";
import { readTrustDocument } from "@scbe/verifier";
import { encodeTrust, readTrust } from "../domain/trust-state.ts";
import type { RelayStore, TrustStore } from "../ports.ts";

type Following = Pick<StoreBus, "onReconnect">;

/** The state and the published document, as two keys of the trust bucket. */
export function kvTrustStore(
  link: Following,
  bucket: Bucket,
  isLeading: () => boolean,
): TrustStore & Disposable {
  const stateKey = comparedKey(link, bucket, KV_KEYS.trustState);
  const documentKey = comparedKey(link, bucket, KV_KEYS.trust);
  return {
    async read() {
      const entry = await stateKey.read();
      if (entry === undefined) return undefined;
      return { state: readTrust(entry.value), revision: entry.revision };
    },
    newestReadable: () => newestReadable(bucket, KV_KEYS.trustState, readTrust),
    write: (state, revision) => stateKey.write(encodeTrust(state), revision),
    writeDocument: (document: TrustDocument) => put(documentKey, document, isLeading),
    async readDocument() {
      const entry = await bucket.get(KV_KEYS.trust);
      return entry && readTrustDocument(entry.value);
    },
    [Symbol.dispose]: () => {
      stateKey[Symbol.dispose]();
      documentKey[Symbol.dispose]();
    },
  };
}

/**
 * The relay's place in the security stream, as one key of the trust bucket. An unreadable value is replaced by the newest readable one before
 * it; reports that are then copied twice are recognized by their ids.
 */
export function kvRelayStore(
  link: Following,
  bucket: Bucket,
  { isLeading, onMended }: { readonly isLeading: () => boolean; readonly onMended: (into: string) => void },
): RelayStore & Disposable {
  const key = comparedKey(link, bucket, KV_KEYS.trustRelay);
  return {
    async read() {
      const entry = await key.read();
      if (entry === undefined) return undefined;
      const place = decode(entry.value);
      if (place !== undefined) return place;
      const former = await newestReadable(bucket, KV_KEYS.trustRelay, decode);
      if (former === undefined || !isLeading()) return former;
      const written = await key.write(encode(former), entry.revision);
      if (written !== undefined) onMended(`message ${former.seq} of the security stream`);
      return former;
    },
    write: (place) => put(key, place, isLeading),
    [Symbol.dispose]: () => key[Symbol.dispose](),
  };
}

/**
 * Writes only if this process leads after it has read the present value, so a frozen scorer does not overwrite its successor.
 * @throws ScbeError CONFLICT when another scorer leads, or wrote at the same time
 */
async function put(key: ComparedKey, value: unknown, isLeading: () => boolean): Promise<void> {
  const before = await key.read();
  const revision = isLeading() ? await key.write(encode(value), before?.revision) : undefined;
  if (revision === undefined) throw new ScbeError("CONFLICT", "another scorer leads, or wrote first");
}

function encode(value: unknown): Uint8Array {
  return writeMessage(value);
}

function decode(value: Uint8Array): StreamPlace | undefined {
  try {
    return StreamPlace.parse(JSON.parse(Buffer.from(value).toString("utf8")));
  } catch {
    return undefined;
  }
}
