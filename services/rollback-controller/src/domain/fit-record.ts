import { cutText } from "@scbe/contracts";
import type { AuditRecord } from "../ports.ts";
import { chainEntry, EMPTY_CHAIN } from "./audit-chain.ts";

/** Bytes of one entry; the stream takes 128 KiB, headers included. */
export const ENTRY_BYTES_MAX = 100 * 1024;
const TEXT_MAX = 2000;

/**
 * The record as the stream can take it: what was before and after is left out, and that said, where it is too large or nothing that
 * JSON can hold. That something was done is never left out.
 */
export function fitRecord(record: AuditRecord): AuditRecord {
  const { at, action, by, reason } = record;
  const core = {
    at,
    action: cutText(action, TEXT_MAX),
    by: cutText(by, TEXT_MAX),
    reason: cutText(reason, TEXT_MAX),
  };
  const whole = plain({ ...record, ...core });
  if (whole === undefined) return { ...core, after: { omitted: "it is nothing that JSON can hold" } };
  const bytes = Buffer.byteLength(JSON.stringify(chainEntry(whole, EMPTY_CHAIN)));
  return bytes <= ENTRY_BYTES_MAX ? whole : { ...core, after: { omitted: `${bytes} bytes are too many` } };
}

/** As it reads when it comes back from the stream. */
function plain(record: AuditRecord): AuditRecord | undefined {
  try {
    const copy = JSON.parse(JSON.stringify(record)) as AuditRecord;
    chainEntry(copy, EMPTY_CHAIN);
    return copy;
  } catch {
    return undefined;
  }
}
