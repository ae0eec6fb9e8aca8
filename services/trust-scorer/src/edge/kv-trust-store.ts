import { type Bucket, type ComparedKey, comparedKey, newestReadable, type StoreBus } from "@scbe/bus";
import { KV_KEYS, ScbeError, StreamPlace, type TrustDocument, writeMessage } from "@scbe/contracts";
import { readTrustDocument } from "@scbe/verifier";
import { encodeTrust, readTrust } from "../domain/trust-state.ts";
import type { RelayStore, TrustStore } from "../ports.ts";

type Following = Pick<StoreBus, "onReconnect">;

/** All that the scorer knows, and what of it its readers get, as two keys of the trust bucket. */
export function kvTrustStore(
  link: Following,
  bucket: Bucket,
  isLeading: () => boolean,
): TrustStore & Disposable {
  const key = comparedKey(link, bucket, KV_KEYS.trustState);
  const shown = comparedKey(link, bucket, KV_KEYS.trust);
  return {
    async read() {
      const entry = await key.read();
      if (entry === undefined) return undefined;
      return { state: readTrust(entry.value), revision: entry.revision };
    },
    former: () => newestReadable(bucket, KV_KEYS.trustState, readTrust),
    write: (state, revision) => key.write(encodeTrust(state), revision),
    show: (document: TrustDocument) => put(shown, document, isLeading),
    async shown() {
      const entry = await bucket.get(KV_KEYS.trust);
      return entry && readTrustDocument(entry.value);
    },
    [Symbol.dispose]: () => {
      key[Symbol.dispose]();
      shown[Symbol.dispose]();
    },
  };
}

/**
 * How much of the security stream was taken over, as one key of the trust bucket. A value that cannot be read is mended from the newest
 * before it that can: what is taken over twice is known by its id.
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
 * Leads after it has seen what stands there: one that was frozen overwrites nothing of its successor.
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
