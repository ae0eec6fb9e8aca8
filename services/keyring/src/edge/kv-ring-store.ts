import { type Environment, isScbeError, KV_KEYS } from "@scbe/contracts";
import type { Bucket } from "@scbe/service-kit";
import { decodeRing, encodeRing } from "../domain/ring.ts";
import type { RingStore } from "../ports.ts";
import { UnusableRecord } from "../unusable-record.ts";

/** The ring as one key of a KV bucket. */
export function kvRingStore(bucket: Bucket, env: Environment): RingStore {
  return {
    async read() {
      const entry = await bucket.get(KV_KEYS.ring);
      if (entry === undefined) return undefined;
      const decoded = decodeRing(entry.value, env);
      if (decoded.ok) return { ring: decoded.ring, revision: entry.revision };
      throw decoded.reason === "env"
        ? new UnusableRecord("FORBIDDEN", "the stored ring is of another environment")
        : new UnusableRecord("INTERNAL", "the stored record is no ring");
    },
    async write(ring, revision) {
      const value = encodeRing(ring);
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
