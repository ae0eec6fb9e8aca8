import { chainHash } from "@scbe/envelope/control";
import { z } from "zod";
import type { AuditEntry, AuditRecord } from "../ports.ts";

/** Where a chain ends: the number and hash of its last entry. */
export interface ChainEnd {
  readonly seq: number;
  readonly hash: string;
}

/** The end of a chain without entries. */
export const EMPTY_CHAIN: ChainEnd = { seq: 0, hash: "" };

/** Of two ends the later one; undefined: no chain with an entry is known. */
export function laterEnd(one: ChainEnd | undefined, other: ChainEnd | undefined): ChainEnd | undefined {
  const later = (other?.seq ?? 0) > (one?.seq ?? 0) ? other : one;
  return later === undefined || later.seq === 0 ? undefined : later;
}

const Hash = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const Entry = z.strictObject({
  at: z.int().min(0),
  action: z.string().min(1),
  by: z.string(),
  reason: z.string(),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
  seq: z.int().min(1),
  previous: z.union([z.literal(""), Hash]),
  hash: Hash,
});

/**
 * The entry that follows `end`. Its hash is SHA-256 over LP(the hash before) and the RFC 8785 form of the record with its number, so
 * that none can be changed, left out or moved without every later hash telling.
 * @throws Error when the record holds what JSON cannot
 */
export function chainEntry(record: AuditRecord, end: ChainEnd): AuditEntry {
  const seq = end.seq + 1;
  return { ...record, seq, previous: end.hash, hash: chainHash(end.hash, { ...record, seq }) };
}

/** True when an entry's hash is that of what it says. */
export function isIntact({ hash, previous, ...said }: AuditEntry): boolean {
  return chainHash(previous, said) === hash;
}

/** The entry that bytes of the stream hold, or `undefined` when they are none. */
export function readEntry(bytes: Uint8Array): AuditEntry | undefined {
  try {
    const { before, after, ...entry } = Entry.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
    return { ...entry, ...(before !== undefined && { before }), ...(after !== undefined && { after }) };
  } catch {
    return undefined;
  }
}

/**
 * The chain's end after these bytes of the stream. What is no entry stands in the chain nevertheless, by a hash of its bytes: the
 * entry that follows commits to it as it was found.
 */
export function endAfter(seq: number, bytes: Uint8Array): ChainEnd {
  const entry = readEntry(bytes);
  return { seq, hash: entry?.hash ?? chainHash("", { bytes: Buffer.from(bytes).toString("base64url") }) };
}
