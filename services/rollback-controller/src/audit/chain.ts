import { cutText } from "@scbe/contracts";
import { chainHash } from "@scbe/envelope/control";
import { z } from "zod";
import type { AuditEntry, AuditRecord } from "../ports.ts";

/** The end of a chain: the number and hash of its last entry. */
export interface ChainEnd {
  readonly seq: number;
  readonly hash: string;
}

/** The end of a chain without entries. */
export const EMPTY_CHAIN: ChainEnd = { seq: 0, hash: "" };

/** The later of two ends; undefined: no chain with an entry is known. */
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
 * The entry that follows `end`. Its hash is SHA-256 over LP(the previous hash) and the RFC 8785 form of the record with its number. So an
 * entry that is altered, left out or moved changes every later hash.
 * @throws Error if the record holds what JSON cannot represent
 */
export function chainEntry(record: AuditRecord, end: ChainEnd): AuditEntry {
  const seq = end.seq + 1;
  return { ...record, seq, previous: end.hash, hash: chainHash(end.hash, { ...record, seq }) };
}

/** The entry in a message of the stream; `undefined` if it is not an entry. */
export function readEntry(bytes: Uint8Array): AuditEntry | undefined {
  try {
    const { before, after, ...entry } = Entry.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
    return { ...entry, ...(before !== undefined && { before }), ...(after !== undefined && { after }) };
  } catch {
    return undefined;
  }
}

/**
 * The end of the chain after this message of the stream. A message that is not an entry is part of the chain too, by a hash of its bytes:
 * the next entry commits to it as it was found.
 */
export function endAfter(seq: number, bytes: Uint8Array): ChainEnd {
  const entry = readEntry(bytes);
  return { seq, hash: entry?.hash ?? chainHash("", { bytes: Buffer.from(bytes).toString("base64url") }) };
}

/** Bytes of one entry; the stream takes 128 KiB, headers included. */
export const ENTRY_BYTES_MAX = 100 * 1024;
const TEXT_MAX = 2000;

/**
 * The record in a form that the stream can store. `before` and `after` are replaced by a remark if they are too large or not JSON. The action
 * itself is never left out.
 */
export function fitRecord(record: AuditRecord): AuditRecord {
  const { at, action, by, reason } = record;
  const core = {
    at,
    action: cutText(action, TEXT_MAX),
    by: cutText(by, TEXT_MAX),
    reason: cutText(reason, TEXT_MAX),
  };
  const whole = asJson({ ...record, ...core });
  if (whole === undefined) return { ...core, after: { omitted: "JSON cannot represent it" } };
  const bytes = Buffer.byteLength(JSON.stringify(chainEntry(whole, EMPTY_CHAIN)));
  return bytes <= ENTRY_BYTES_MAX ? whole : { ...core, after: { omitted: `${bytes} bytes are too many` } };
}

/** The record as it is read back from the stream. */
function asJson(record: AuditRecord): AuditRecord | undefined {
  try {
    const copy = JSON.parse(JSON.stringify(record)) as AuditRecord;
    chainEntry(copy, EMPTY_CHAIN);
    return copy;
  } catch {
    return undefined;
  }
}

/** A deviation of the stream from what the controllers have written. */
export interface ChainProblem {
  /** The number of the entry in question. */
  readonly seq: number;
  readonly problem: "missing" | "no entry" | "altered" | "out of place" | "replaced";
  readonly says: string;
}

/** The message that a stream holds under one number; `undefined`: none. */
export interface NumberedMessage {
  readonly seq: number;
  readonly bytes: Uint8Array | undefined;
}

/**
 * Checks a chain entry by entry, in the order of their numbers.
 *
 * A chain reveals every change except a forgery of its very end: the operator of the server can cut off the newest entries, or rewrite all
 * entries from some point on. To detect that, note the {@link end} elsewhere and check it later.
 */
export class ChainCheck {
  /** `undefined`: the previous entry is unknown, for example after a missing one. */
  #end: ChainEnd | undefined = EMPTY_CHAIN;
  #entries = 0;

  /** @param first the number of the first entry that the stream still has */
  constructor(first = 1) {
    if (first > 1) this.#end = undefined;
  }

  get entries(): number {
    return this.#entries;
  }

  /** The last message that was checked. */
  get end(): ChainEnd | undefined {
    return this.#end;
  }

  /** The problems of the next message. */
  take({ seq, bytes }: NumberedMessage): ChainProblem[] {
    const before = this.#end;
    if (bytes === undefined) {
      this.#end = undefined;
      return [{ seq, problem: "missing", says: "this entry is gone" }];
    }
    this.#end = endAfter(seq, bytes);
    const entry = readEntry(bytes);
    if (entry === undefined)
      return [{ seq, problem: "no entry", says: "this message is not an audit entry" }];
    this.#entries += 1;
    if (!isIntact(entry)) return [{ seq, problem: "altered", says: "its hash does not match its content" }];
    if (entry.seq !== seq)
      return [{ seq, problem: "out of place", says: `it was written as entry ${entry.seq}` }];
    if (before === undefined || before.hash === entry.previous) return [];
    if (before.seq === 0)
      return [{ seq, problem: "replaced", says: "it follows an entry that is not there" }];
    const says = `entry ${seq} was written after another entry than the one that is here now`;
    return [{ seq: before.seq, problem: "replaced", says }];
  }
}

/** True if the hash of an entry matches its content. */
export function isIntact({ hash, previous, ...content }: AuditEntry): boolean {
  return chainHash(previous, content) === hash;
}
