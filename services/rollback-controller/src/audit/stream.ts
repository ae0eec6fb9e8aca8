import type { StoreBus, StreamReader } from "@scbe/bus";
import { isScbeError, STREAMS, SUBJECTS } from "@scbe/contracts";
import type { AuditEntry } from "../ports.ts";
import { type ChainEnd, EMPTY_CHAIN, endAfter, readEntry } from "./chain.ts";

/** The stream of audit entries. Its sequence numbers are the numbers of the entries. Throws ScbeError TIMEOUT, DISCONNECTED, NOT_READY. */
export interface AuditStream {
  /** The end of the stored chain. */
  end(): Promise<ChainEnd>;
  /** `stored`: the entry is stored under its number, now or by an earlier try; `taken`: another entry is. */
  store(entry: AuditEntry): Promise<"stored" | "taken">;
  /** The newest entries below `before`, newest first, without messages that are not entries. */
  read(limit: number, before: number): Promise<AuditEntry[]>;
}

const PUBLISH_TIMEOUT_MS = 2000;
/** Messages that are read at once. */
const AT_ONCE = 16;
/** Numbers that are read beyond the limit if entries are missing. */
const MISSING_MAX = 256;

export function auditStream(store: Pick<StoreBus, "stream" | "publishAcknowledged">): AuditStream {
  const stream = store.stream(STREAMS.audit);
  return {
    end: () => endOf(stream),
    store: async (entry) => {
      const options = { id: entry.hash, timeoutMs: PUBLISH_TIMEOUT_MS, expectedLastSequence: entry.seq - 1 };
      try {
        await store.publishAcknowledged(SUBJECTS.audit, Buffer.from(JSON.stringify(entry)), options);
        return "stored";
      } catch (error) {
        if (!isScbeError(error, "CONFLICT")) throw error;
        return (await entryAt(stream, entry.seq))?.hash === entry.hash ? "stored" : "taken";
      }
    },
    read: (limit, before) => readBackwards(stream, limit, before),
  };
}

async function endOf(stream: StreamReader): Promise<ChainEnd> {
  const { last } = await stream.bounds();
  if (last === 0) return EMPTY_CHAIN;
  const message = await stream.get(last);
  // If the number has no message, the next entry starts a new chain, and the check reports that.
  return message === undefined ? { seq: last, hash: "" } : endAfter(last, message.data);
}

async function entryAt(stream: StreamReader, seq: number): Promise<AuditEntry | undefined> {
  const message = await stream.get(seq);
  return message && readEntry(message.data);
}

async function readBackwards(stream: StreamReader, limit: number, before: number): Promise<AuditEntry[]> {
  const { first, last } = await stream.bounds();
  const from = Math.min(last, before - 1);
  const downTo = Math.max(first, 1, from - limit - MISSING_MAX + 1);
  const found: AuditEntry[] = [];
  for (let top = from; top >= downTo && found.length < limit; top -= AT_ONCE) {
    const count = Math.min(AT_ONCE, top - downTo + 1);
    const entries = await Promise.all(Array.from({ length: count }, (_, n) => entryAt(stream, top - n)));
    found.push(...entries.filter((entry) => entry !== undefined));
  }
  return found.slice(0, limit);
}
