import { type Environment, EpochRecord } from "@scbe/contracts";

/** Bytes of a record; a larger one is refused unread. */
const RECORD_BYTES_MAX = 1024;

export type DecodedRecord =
  | { readonly ok: true; readonly record: EpochRecord }
  | { readonly ok: false; readonly reason: "malformed" | "env" };

/** The record in a message or in KV; another environment's is refused before anything in it is used. */
export function decodeRecord(bytes: Uint8Array, env: Environment): DecodedRecord {
  const parsed = EpochRecord.safeParse(parseJson(bytes));
  if (!parsed.success) return { ok: false, reason: "malformed" };
  return parsed.data.env === env ? { ok: true, record: parsed.data } : { ok: false, reason: "env" };
}

/** @throws ZodError for a record that no guard could read again, as with a generation past all numbers: it is never told */
export function encodeRecord(record: EpochRecord): Uint8Array {
  return Buffer.from(JSON.stringify(EpochRecord.parse(record)), "utf8");
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > RECORD_BYTES_MAX) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
