import { z } from "zod";
import { exactBase64Url, Generation, readMessage, writeMessage } from "./message.ts";
import { ENVIRONMENTS, type Environment } from "./names.ts";

/** Why a replay epoch ends, and another one starts. */
export const EPOCH_ENDS = [
  /** there is no record: it was lost, or none was stored yet */
  "no-record",
  /** the record is older than one that was seen */
  "record-behind",
  /** the server is not the record's store: it restarted, was promoted, or is another one */
  "other-store",
  /** envelopes of now have no bucket in the record: a clock was set, or no guard ran for a long time */
  "out-of-range",
  /** an expected bucket is missing */
  "bucket-missing",
  /** there is a bucket that the record does not know: an older record was restored */
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

/** The record in a message or in KV; one of another environment is refused before its members are used. */
export function readEpoch(bytes: Uint8Array, env: Environment): ReadEpoch {
  const record = readMessage(bytes, EpochRecord, EPOCH_BYTES_MAX);
  if (record === undefined) return { ok: false, reason: "malformed" };
  return record.env === env ? { ok: true, record } : { ok: false, reason: "env" };
}

/** @throws ZodError for a record that readers refuse, such as one with too high a generation: it is never sent */
export function writeEpoch(record: EpochRecord): Uint8Array {
  return writeMessage(EpochRecord.parse(record));
}

/**
 * The epoch that a sealer seals for. A broadcast applies only with a higher generation, since a delayed one can come late. The answer to a
 * request of the sealer applies whatever its generation, since it can be lower after the guards' record was rolled back.
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

  /** Reads a broadcast, and applies it if it is newer. */
  hear(bytes: Uint8Array): ReadEpoch {
    const read = readEpoch(bytes, this.#env);
    if (read.ok && read.record.generation > (this.#record?.generation ?? 0)) this.#record = read.record;
    return read;
  }

  /** Reads and applies the answer to a request of this sealer. */
  answered(bytes: Uint8Array): ReadEpoch {
    const read = readEpoch(bytes, this.#env);
    if (read.ok) this.#record = read.record;
    return read;
  }
}
