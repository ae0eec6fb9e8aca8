import { KV_KEYS } from "@scbe/contracts";
import { z } from "zod";
import type { Bucket, StoreBus } from "../store-bus.ts";
import { comparedKey } from "./compare-and-set.ts";
import type { LeaderRecord } from "./lead.ts";
import type { LeaderStore } from "./leader-store.ts";

const RECORD_BYTES_MAX = 512;
const Record = z.strictObject({
  v: z.literal(1),
  id: z.union([z.uuid(), z.literal("")]),
  term: z.int().min(1),
});

/** Who leads, as the key `leader` of a KV bucket. A record that cannot be read counts as one whose leader has stepped down. */
export function kvLeaderStore(bus: Pick<StoreBus, "onReconnect">, bucket: Bucket): LeaderStore & Disposable {
  const key = comparedKey(bus, bucket, KV_KEYS.leader);
  return {
    async read() {
      const entry = await key.read();
      return { record: entry && decode(entry.value), revision: entry?.revision };
    },
    write: (record, revision) => key.write(Buffer.from(JSON.stringify(record)), revision),
    watch: (listener) => bucket.watch(KV_KEYS.leader, (entry) => listener(entry && decode(entry.value))),
    [Symbol.dispose]: () => key[Symbol.dispose](),
  };
}

function decode(value: Uint8Array): LeaderRecord | undefined {
  if (value.length > RECORD_BYTES_MAX) return undefined;
  try {
    return Record.parse(JSON.parse(Buffer.from(value).toString("utf8")));
  } catch {
    return undefined;
  }
}
