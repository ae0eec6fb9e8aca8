import { type Bucket, type Identity, newestReadable } from "@scbe/bus";
import { type Environment, isScbeError, KV_KEYS } from "@scbe/contracts";
import type { Ring } from "../domain/ring.ts";
import { type DecodedRecord, decodeRecord, encodeRecord } from "../domain/ring-record.ts";
import type { RingStore } from "../ports.ts";
import { UnusableRecord } from "../unusable-record.ts";

export interface RingStoreOptions {
  readonly env: Environment;
  /** Signs what is written. */
  readonly identity: Identity;
  /** Public nkey of a keyring whose records are taken too. */
  readonly formerPublicKey?: string | undefined;
  /** The highest generation that any keyring was heard to have: nothing older is ever put back. */
  readonly generationHeard?: () => number;
  /** Runs once an unreadable record was mended. */
  readonly onMended?: (into: string) => void;
}

/**
 * The ring, signed, as one key of a KV bucket. A record that cannot be read is mended from the newest one before it that can, unless that is
 * older than what was heard; then a person has to look.
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
  malformed: () => new UnusableRecord("INTERNAL", "the stored record is no ring"),
};
