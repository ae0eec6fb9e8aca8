import type { AdmitItem, AdmitVerdict, EpochRecord } from "@scbe/contracts";

/** The store of admitted envelopes. One call judges a whole batch, each item independently. */
export interface ReplayStore extends AsyncDisposable {
  /** A note for operators while the store is healthy. */
  readonly note: string | undefined;
  /**
   * Judges items of one epoch and provider, and records the fresh ones. Idempotent by the items' attempts.
   * @throws ScbeError NOT_READY when the store does not answer; some items can then be recorded
   */
  admit(request: AdmitRequest): Promise<AdmitAnswer>;
  /**
   * Makes all buckets or none: none if the server is not a primary or not `store`, or one of them exists already.
   * Never sent twice. @throws ScbeError NOT_READY with the outcome unknown
   */
  make(buckets: Buckets, store: string | undefined): Promise<MakeAnswer>;
  /** The identity of the server, and the buckets that exist. @throws ScbeError NOT_READY */
  look(epoch: string, minutes: readonly number[]): Promise<StoreSight>;
  /** How full these buckets and the whole store are. @throws ScbeError NOT_READY */
  measure(epoch: string, minutes: readonly number[]): Promise<Occupancy>;
  /** Runs when the connection may lead to another server. */
  onChange(listener: () => void): Disposable;
}

export interface AdmitRequest extends Pick<EpochRecord, "epoch" | "store"> {
  readonly provider: string;
  /**
   * The entries of the provider in the buckets of these minutes count against its quota, beside those in the buckets of the items. A store
   * that keeps its own counts ignores it.
   */
  readonly minutes: readonly number[];
  readonly items: readonly AdmitItem[];
}

export interface Occupancy {
  /** Envelopes in the buckets, by provider. */
  readonly entries: ReadonlyMap<string, number>;
  readonly usedBytes: number;
  /** 0: no limit. */
  readonly maxBytes: number;
}

/** `isStore: false`: the server is not a primary, or not the record's store; nothing was judged. */
export type AdmitAnswer =
  | {
      readonly isStore: true;
      readonly verdicts: readonly AdmitVerdict[];
      /** The count of `refused` verdicts because the provider is at its quota, or the store is full. */
      readonly overQuota: number;
    }
  | { readonly isStore: false };

/** Buckets of an epoch, each with its time to live. */
export interface Buckets {
  readonly epoch: string;
  readonly buckets: readonly { readonly minute: number; readonly lifeMs: number }[];
}

export type MakeAnswer = { readonly made: true; readonly store: string } | { readonly made: false };

export type StoreSight =
  /** `present`: the requested minutes whose bucket exists */
  | { readonly usable: true; readonly store: string; readonly present: ReadonlySet<number> }
  | { readonly usable: false; readonly reason: string };

/** The store of the record of the epoch in force. */
export interface RecordStore {
  /**
   * The stored record; undefined: none.
   * @throws ScbeError FORBIDDEN for a record of another environment; or what the bus throws
   */
  read(): Promise<StoredRecord | undefined>;
  /**
   * Writes only if the store is still at `revision` (undefined: empty); false when another guard wrote first.
   * @throws what the bus throws, with the outcome unknown
   */
  write(record: EpochRecord, revision: number | undefined): Promise<boolean>;
  /** Runs when the stored record may have changed. */
  watch(listener: () => void): AsyncDisposable;
}

export interface StoredRecord {
  /** undefined: the stored record is unreadable. Its epoch ends, because its minutes are unknown. */
  readonly record: EpochRecord | undefined;
  readonly revision: number;
}
