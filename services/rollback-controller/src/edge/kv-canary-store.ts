import type { Bucket } from "@scbe/bus";
import { isScbeError, KV_KEYS, ScbeError } from "@scbe/contracts";
import { Canaries, NO_CANARIES } from "../canary/record.ts";
import type { CanaryStore } from "../canary/store.ts";

/** The canaries, under one key of the control bucket. */
export function kvCanaryStore(bucket: Bucket): CanaryStore {
  return {
    async read() {
      const entry = await bucket.get(KV_KEYS.canary);
      if (entry === undefined) return { canaries: NO_CANARIES, revision: undefined };
      return { canaries: parse(entry.value), revision: entry.revision };
    },
    async write(canaries, revision) {
      const value = Buffer.from(JSON.stringify(canaries));
      try {
        const written =
          revision === undefined
            ? await bucket.create(KV_KEYS.canary, value)
            : await bucket.update(KV_KEYS.canary, value, revision);
        return { canaries, revision: written };
      } catch (error) {
        if (isScbeError(error, "CONFLICT")) return undefined;
        throw error;
      }
    },
  };
}

function parse(value: Uint8Array): Canaries {
  try {
    return Canaries.parse(JSON.parse(Buffer.from(value).toString("utf8")));
  } catch (cause) {
    const advice = `key ${KV_KEYS.canary} holds no canaries; delete it, and start them again`;
    throw new ScbeError("INTERNAL", advice, { cause });
  }
}
