import { type Environment, isScbeError, KV_KEYS } from "@scbe/contracts";
import type { Bucket, Identity } from "@scbe/service-kit";
import { type DecodedRecord, decodeRecord, encodeRecord } from "../domain/ring-record.ts";
import type { RingStore } from "../ports.ts";
import { UnusableRecord } from "../unusable-record.ts";

export interface RingStoreOptions {
  readonly env: Environment;
  /** Signs what is written. */
  readonly identity: Identity;
  /** Public nkey of a keyring whose records are taken too. */
  readonly formerPublicKey?: string | undefined;
}

/** The ring, signed, as one key of a KV bucket. */
export function kvRingStore(bucket: Bucket, { env, identity, formerPublicKey }: RingStoreOptions): RingStore {
  const signers = [identity.publicKey, ...(formerPublicKey === undefined ? [] : [formerPublicKey])];
  return {
    async read() {
      const entry = await bucket.get(KV_KEYS.ring);
      if (entry === undefined) return undefined;
      const decoded = decodeRecord(entry.value, env, signers);
      if (!decoded.ok) throw UNUSABLE[decoded.reason]();
      return { ring: decoded.ring, revision: entry.revision };
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
