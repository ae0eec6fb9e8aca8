import type { AdmitItem, AdmitVerdict } from "@scbe/contracts";

/** Bytes of session_id || counter, the place that one envelope takes in its bucket. */
export const FIELD_BYTES = 36;
/** Bytes of replay_nonce || tag || attempt, what is remembered there. */
export const VALUE_BYTES = 56;
/** Bytes of replay_nonce || tag, which name the envelope. */
const ENVELOPE_BYTES = 40;

/** Writes field and value of an item into `out`. */
export function writeItem(item: AdmitItem, out: Buffer, at: number): void {
  out.set(item.sessionId, at);
  out.writeUInt32BE(item.counter, at + 32);
  out.set(item.replayNonce, at + 36);
  out.set(item.tag, at + 60);
  out.set(item.attempt, at + 76);
}

/** The minute of an item's session: the first four bytes of its id. */
export function sessionMinute({ sessionId }: Pick<AdmitItem, "sessionId">): number {
  return new DataView(sessionId.buffer, sessionId.byteOffset).getUint32(0);
}

/**
 * The verdict on an envelope whose bucket is there.
 * @param recorded the value that stands in its place; undefined: none, and it is to be recorded now
 */
export function judge(recorded: Buffer | undefined, value: Buffer): Exclude<AdmitVerdict, "refused"> {
  if (recorded === undefined || recorded.equals(value)) return "fresh";
  const isSameEnvelope = recorded.compare(value, 0, ENVELOPE_BYTES, 0, ENVELOPE_BYTES) === 0;
  return isSameEnvelope ? "replay" : "reuse";
}
