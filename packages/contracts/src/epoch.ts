import { z } from "zod";
import { exactBase64Url } from "./exact-base64url.ts";
import { Generation } from "./integers.ts";
import { readMessage, writeMessage } from "./message.ts";
import { ENVIRONMENTS, type Environment } from "./names.ts";

/** Why a replay epoch ends, and another one starts. */
export const EPOCH_ENDS = [
  /** there is no record: nothing was stored yet, or it was lost */
  "no-record",
  /** the record is older than one that was seen */
  "record-behind",
  /** the server is not the record's store: restarted, promoted, another one */
  "other-store",
  /** what is sealed now has no bucket in the record: a clock was set, or no guard ran for long */
  "out-of-range",
  /** a bucket that must be there is gone */
  "bucket-missing",
  /** a bucket is there that the record does not know of: the record has gone back */
  "bucket-beyond",
] as const;
export type EpochEnd = (typeof EPOCH_ENDS)[number];

/**
 * The replay epoch in force: the KV record, its broadcast, and the answer to `epoch.get`, all in one shape (docs/spec/wire-v1.md, "The
 * epoch"). `epoch` is base64url of 16 bytes; `from` and `to` are minutes since the Unix epoch, both inclusive.
 */
export const EpochRecord = z.strictObject({
  v: z.literal(1),
  env: z.enum(ENVIRONMENTS),
  epoch: exactBase64Url(16),
  generation: Generation,
  store: z.string().regex(/^[\x20-\x7e]{1,128}$/),
  from: z.int().min(0).max(0xffff_ffff),
  to: z.int().min(0).max(0xffff_ffff),
});
export type EpochRecord = z.infer<typeof EpochRecord>;

const EPOCH_BYTES_MAX = 1024;

export type ReadEpoch =
  | { readonly ok: true; readonly record: EpochRecord }
  | { readonly ok: false; readonly reason: "malformed" | "env" };

/** The record in a message or in KV; another environment's is refused before anything in it is used. */
export function readEpoch(bytes: Uint8Array, env: Environment): ReadEpoch {
  const record = readMessage(bytes, EpochRecord, EPOCH_BYTES_MAX);
  if (record === undefined) return { ok: false, reason: "malformed" };
  return record.env === env ? { ok: true, record } : { ok: false, reason: "env" };
}

/** @throws ZodError for a record that no reader could take, as with a generation past all numbers: it is never told */
export function writeEpoch(record: EpochRecord): Uint8Array {
  return writeMessage(EpochRecord.parse(record));
}

/**
 * The epoch that a sealer seals for, by what it has heard. A broadcast is obeyed only if its generation is higher, since one that
 * was held back may come late; the answer to a question of its own whatever its generation, since after a rollback of the guards'
 * record it may be lower.
 */
export class KnownEpoch {
  readonly #env: Environment;
  #record: EpochRecord | undefined;

  constructor(env: Environment) {
    this.#env = env;
  }

  get record(): EpochRecord | undefined {
    return this.#record;
  }

  /** Reads a broadcast, and obeys it if it is newer; what is wrong with it, if it is none. */
  hear(bytes: Uint8Array): ReadEpoch {
    const read = readEpoch(bytes, this.#env);
    if (read.ok && read.record.generation > (this.#record?.generation ?? 0)) this.#record = read.record;
    return read;
  }

  /** Reads and obeys the answer to a question of this sealer. */
  answered(bytes: Uint8Array): ReadEpoch {
    const read = readEpoch(bytes, this.#env);
    if (read.ok) this.#record = read.record;
    return read;
  }
}
