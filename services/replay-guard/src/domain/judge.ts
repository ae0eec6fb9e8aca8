import type { AdmitItem, AdmitVerdict } from "@scbe/contracts";

/** Bytes of session_id || counter, the field of one envelope in its bucket. */
export const FIELD_BYTES = 36;
/** Bytes of replay_nonce || tag || attempt, the value that is recorded for it. */
export const VALUE_BYTES = 56;
/** Bytes of replay_nonce || tag, which identify the envelope. */
const ENVELOPE_BYTES = 40;

/**
 * The verdict on an envelope whose bucket exists.
 * @param recorded the value in its field; undefined: none, and `value` is recorded now
 */
export function judge(recorded: Buffer | undefined, value: Buffer): Exclude<AdmitVerdict, "refused"> {
  if (recorded === undefined || recorded.equals(value)) return "fresh";
  const isSameEnvelope = recorded.compare(value, 0, ENVELOPE_BYTES, 0, ENVELOPE_BYTES) === 0;
  return isSameEnvelope ? "replay" : "reuse";
}

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

export interface SortedBatch {
  /** The items that the store judges: those sealed for the epoch in force. */
  readonly toStore: readonly AdmitItem[];
  /** All verdicts of the batch, given those of the store in the order of {@link toStore}. */
  merge(verdicts: readonly AdmitVerdict[]): AdmitVerdict[];
}

/** Splits a batch: items of another epoch, or with a counter that no session uses, are refused; the store judges the rest. */
export function sortBatch(items: readonly AdmitItem[], epoch: Buffer): SortedBatch {
  const isForStore = items.map((item) => epoch.equals(item.epoch) && item.counter > 0);
  return {
    toStore: items.filter((_, index) => isForStore[index]),
    merge: (verdicts) => {
      let next = 0;
      return isForStore.map((forStore) => (forStore ? (verdicts[next++] ?? "refused") : "refused"));
    },
  };
}
