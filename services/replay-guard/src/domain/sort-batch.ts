import type { AdmitItem, AdmitVerdict } from "@scbe/contracts";

export interface SortedBatch {
  /** The items that the store is asked about: those sealed for the epoch in force. */
  readonly asked: readonly AdmitItem[];
  /** All verdicts of the batch, given the store's, in the order of {@link asked}. */
  merge(verdicts: readonly AdmitVerdict[]): AdmitVerdict[];
}

/** Splits a batch into what is refused for its epoch, or a counter that no session has, and what the store judges. */
export function sortBatch(items: readonly AdmitItem[], epoch: Buffer): SortedBatch {
  const isAsked = items.map((item) => epoch.equals(item.epoch) && item.counter > 0);
  return {
    asked: items.filter((_, index) => isAsked[index]),
    merge: (verdicts) => {
      let next = 0;
      return isAsked.map((asked) => (asked ? (verdicts[next++] ?? "refused") : "refused"));
    },
  };
}
