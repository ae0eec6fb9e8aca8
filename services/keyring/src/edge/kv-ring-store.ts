import { type Bucket, type Identity, newestReadable } from "@scbe/bus";
import { type Environment, isScbeError, KV_KEYS } from "@scbe/contracts";
import { type DecodedRecord, decodeRecord, encodeRecord, type Ring } from "../domain/ring.ts";
import { type RingStore, UnusableRecord } from "../ring-keeper.ts";

export interface RingStoreOptions {
  readonly env: Environment;
  /** Signs what is written. */
  readonly identity: Identity;
  /** Public nkey of the former keyring, whose records are accepted too. */
  readonly formerPublicKey?: string | undefined;
  /** The highest generation that any keyring has broadcast: an older ring is never restored. */
  readonly generationHeard?: () => number;
  /** Runs after an unreadable record was repaired. */
  readonly onMended?: (into: string) => void;
}

/**
 * The signed ring as one key of a KV bucket. An unreadable record is replaced by the newest readable one before it, unless that one is older
 * than a ring that was broadcast; then an operator has to repair it.
 */
export function kvRingStore(bucket: Bucket, options: RingStoreOptions): RingStore {
  const { env, identity, formerPublicKey, generationHeard = () => 0, onMended } = options;
  const signers = [identity.publicKey, ...(formerPublicKey === undefined ? [] : [formerPublicKey])];
  const readable = (value: Uint8Array): Ring | undefined => {
    const decoded = decodeRecord(value, env, signers);
    return decoded.ok ? decoded.ring : undefined;
  };
  const formerRing = async (): Promise<Ring | undefined> => {
    const ring = await newestReadable(bucket, KV_KEYS.ring, readable);
    return ring === undefined || ring.generation < generationHeard() ? undefined : ring;
  };
  return {
    async read() {
      const entry = await bucket.get(KV_KEYS.ring);
      if (entry === undefined) return undefined;
      const decoded = decodeRecord(entry.value, env, signers);
      if (decoded.ok) return { ring: decoded.ring, revision: entry.revision };
      const former = decoded.reason === "malformed" ? await formerRing() : undefined;
      if (former === undefined) throw UNUSABLE[decoded.reason]();
      const revision = await bucket.update(KV_KEYS.ring, encodeRecord(former, identity), entry.revision);
      onMended?.(`generation ${former.generation}`);
      return { ring: former, revision };
    },
    async write(ring, revision) {
      const value = encodeRecord(ring, identity);
      try {
        const written =
          revision === undefined
            ? await bucket.create(KV_KEYS.ring, value)
            : await bucket.update(KV_KEYS.ring, value, revision);
        return { ring, revision: written };
      } catch (error) {
        if (isScbeError(error, "CONFLICT")) return undefined;
        throw error;
      }
    },
    watch: (listener) => bucket.watch(KV_KEYS.ring, () => listener()),
  };
}

type Reason = Extract<DecodedRecord, { ok: false }>["reason"];

const UNUSABLE: Readonly<Record<Reason, () => UnusableRecord>> = {
  env: () => new UnusableRecord("FORBIDDEN", "the stored ring is of another environment"),
  signature: () => new UnusableRecord("FORBIDDEN", "the stored ring is not signed by this keyring"),
  malformed: () => new UnusableRecord("INTERNAL", "the stored record is not a ring"),
};
