import type { AdmitItem, AdmitVerdict, EpochRecord } from "@scbe/contracts";

/** Where admitted envelopes are remembered. One call decides for a whole batch, each item alone. */
export interface ReplayStore extends AsyncDisposable {
  /** What operators should know of it though nothing is wrong. */
  readonly note: string | undefined;
  /**
   * Judges items of one epoch and provider, and records the fresh ones. Idempotent by the items' attempts.
   * @throws ScbeError NOT_READY when the store does not answer; some items may then be recorded
   */
  admit(question: AdmitRequest): Promise<AdmitAnswer>;
  /**
   * Makes buckets, all or none: none where the server is no primary or not `store`, or one of them is there already.
   * Never sent twice. @throws ScbeError NOT_READY with the outcome unknown
   */
  make(buckets: Buckets, store: string | undefined): Promise<MakeAnswer>;
  /** Which server this is, and which of the buckets are there. @throws ScbeError NOT_READY */
  look(epoch: string, minutes: readonly number[]): Promise<StoreSight>;
  /** How full it is, as to these buckets and as a whole. @throws ScbeError NOT_READY */
  measure(epoch: string, minutes: readonly number[]): Promise<Occupancy>;
  /** Runs when the server may have become another one. */
  onChange(listener: () => void): Disposable;
}

export interface AdmitRequest extends Pick<EpochRecord, "epoch" | "store"> {
  readonly provider: string;
  /**
   * What the provider has in the buckets of these minutes counts against its quota, beside what it has in those of the items. Of a
   * store that keeps its own count: unused.
   */
  readonly minutes: readonly number[];
  readonly items: readonly AdmitItem[];
}

export interface Occupancy {
  /** Envelopes remembered in the buckets, of each provider that has any. */
  readonly entries: ReadonlyMap<string, number>;
  readonly usedBytes: number;
  /** 0: without a limit. */
  readonly maxBytes: number;
}

/** `isStore: false`: the server is no primary, or not the record's store; nothing was judged. */
export type AdmitAnswer =
  | {
      readonly isStore: true;
      readonly verdicts: readonly AdmitVerdict[];
      /** How many of the verdicts are `refused` because the provider is at its quota, or the store is full. */
      readonly overQuota: number;
    }
  | { readonly isStore: false };

/** The buckets of an epoch, each with the time it is to live. */
export interface Buckets {
  readonly epoch: string;
  readonly buckets: readonly { readonly minute: number; readonly lifeMs: number }[];
}

export type MakeAnswer = { readonly made: true; readonly store: string } | { readonly made: false };

export type StoreSight =
  /** `present`: the minutes, of those asked for, whose bucket is there */
  | { readonly usable: true; readonly store: string; readonly present: ReadonlySet<number> }
  | { readonly usable: false; readonly reason: string };

/** Where the record of the epoch in force lives. */
export interface RecordStore {
  /**
   * What is stored now; undefined: nothing.
   * @throws ScbeError FORBIDDEN when it is another environment's; or what the bus throws
   */
  read(): Promise<StoredRecord | undefined>;
  /**
   * Writes only if the store is still at `revision` (undefined: empty): true when it did, false when somebody else wrote
   * first. @throws what the bus throws, with the outcome unknown
   */
  write(record: EpochRecord, revision: number | undefined): Promise<boolean>;
  /** Runs when what is stored may have changed. */
  watch(listener: () => void): AsyncDisposable;
}

export interface StoredRecord {
  /** undefined: what is stored cannot be read. The epoch that it named ends: what was promised under it is not known. */
  readonly record: EpochRecord | undefined;
  readonly revision: number;
}
