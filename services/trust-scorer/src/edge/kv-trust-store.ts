import { KV_KEYS, ScbeError, StreamPlace, type TrustDocument } from "@scbe/contracts";
import { type Bucket, type Bus, type ComparedKey, comparedKey } from "@scbe/service-kit";
import { encodeTrust, readTrust } from "../domain/trust-state.ts";
import type { RelayStore, TrustStore } from "../ports.ts";

type Following = Pick<Bus, "onReconnect">;

/** All that the scorer knows, and what of it its readers get, as two keys of the trust bucket. */
export function kvTrustStore(
  bus: Following,
  bucket: Bucket,
  isLeading: () => boolean,
): TrustStore & Disposable {
  const key = comparedKey(bus, bucket, KV_KEYS.trustState);
  const shown = comparedKey(bus, bucket, KV_KEYS.trust);
  return {
    async read() {
      const entry = await key.read();
      if (entry === undefined) return undefined;
      const state = readTrust(entry.value);
      // Starting anew would forget every latch.
      if (state === undefined) throw new ScbeError("INTERNAL", "what is stored is no state of trust");
      return { state, revision: entry.revision };
    },
    write: (state, revision) => key.write(encodeTrust(state), revision),
    show: (document: TrustDocument) => put(shown, document, isLeading),
    [Symbol.dispose]: () => {
      key[Symbol.dispose]();
      shown[Symbol.dispose]();
    },
  };
}

/** How much of the security stream was taken over, as one key of the trust bucket. */
export function kvRelayStore(
  bus: Following,
  bucket: Bucket,
  isLeading: () => boolean,
): RelayStore & Disposable {
  const key = comparedKey(bus, bucket, KV_KEYS.trustRelay);
  return {
    async read() {
      const entry = await key.read();
      return entry && decode(entry.value);
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
  const bytes = Buffer.from(JSON.stringify(value));
  const revision = isLeading() ? await key.write(bytes, before?.revision) : undefined;
  if (revision === undefined) throw new ScbeError("CONFLICT", "another scorer leads, or wrote first");
}

function decode(value: Uint8Array): StreamPlace | undefined {
  try {
    return StreamPlace.parse(JSON.parse(Buffer.from(value).toString("utf8")));
  } catch {
    return undefined;
  }
}
