import type { AdmitItem, AdmitVerdict, EpochRecord } from "@scbe/contracts";
import type { AdmitAnswer, Buckets, MakeAnswer, Occupancy, StoreSight } from "../ports.ts";
import { FIELD_BYTES, judge, sessionMinute, VALUE_BYTES, writeItem } from "./judge.ts";

/** Of field and value; what the data structure takes beside them is not counted. */
const ENTRY_BYTES = FIELD_BYTES + VALUE_BYTES;

interface Bucket {
  readonly endsAtMs: number;
  readonly values: Map<string, Buffer>;
}

/** The replay store as a data structure: what the scripts do in Redis, in this process. Times are monotonic ms. */
export class ReplayTable {
  /** Which store this is; another one for each incarnation. */
  readonly id: string;
  readonly #entriesMax: number;
  readonly #buckets = new Map<string, Bucket>();
  #entries = 0;

  constructor(id: string, entriesMax: number) {
    this.#entriesMax = entriesMax;
    this.id = id;
  }

  get entries(): number {
    return this.#entries;
  }

  admit(
    { epoch, store }: Pick<EpochRecord, "epoch" | "store">,
    items: readonly AdmitItem[],
    nowMs: number,
  ): AdmitAnswer {
    if (store !== this.id) return { isStore: false };
    return { isStore: true, verdicts: items.map((item) => this.#judge(epoch, item, nowMs)) };
  }

  make({ epoch, buckets }: Buckets, store: string | undefined, nowMs: number): MakeAnswer {
    this.#sweep(nowMs);
    if (store !== undefined && store !== this.id) return { made: false };
    if (buckets.some(({ minute }) => this.#buckets.has(nameOf(epoch, minute)))) return { made: false };
    for (const { minute, lifeMs } of buckets) {
      this.#buckets.set(nameOf(epoch, minute), { endsAtMs: nowMs + lifeMs, values: new Map() });
    }
    return { made: true, store: this.id };
  }

  look(epoch: string, minutes: readonly number[], nowMs: number): Extract<StoreSight, { usable: true }> {
    this.#sweep(nowMs);
    const present = minutes.filter((minute) => this.#buckets.has(nameOf(epoch, minute)));
    return { usable: true, store: this.id, present: new Set(present) };
  }

  /** How full it is: as to entries in these buckets, as to bytes as a whole. */
  measure(epoch: string, minutes: readonly number[], nowMs: number): Occupancy {
    this.#sweep(nowMs);
    const sizes = minutes.map((minute) => this.#buckets.get(nameOf(epoch, minute))?.values.size ?? 0);
    return {
      entries: sizes.reduce((sum, size) => sum + size, 0),
      usedBytes: this.#entries * ENTRY_BYTES,
      maxBytes: this.#entriesMax * ENTRY_BYTES,
    };
  }

  /** Drops every bucket that `isDropped` says, as whoever deletes keys does. */
  drop(isDropped: (epoch: string, minute: number) => boolean): void {
    for (const name of this.#buckets.keys()) {
      const [epoch = "", minute = ""] = name.split(":");
      if (isDropped(epoch, Number(minute))) this.#drop(name);
    }
  }

  /** The same content as another store, as a replica has it. */
  copy(id: string): ReplayTable {
    const copy = new ReplayTable(id, this.#entriesMax);
    for (const [name, { endsAtMs, values }] of this.#buckets) {
      copy.#buckets.set(name, { endsAtMs, values: new Map(values) });
    }
    copy.#entries = this.#entries;
    return copy;
  }

  #judge(epoch: string, item: AdmitItem, nowMs: number): AdmitVerdict {
    const bucket = this.#buckets.get(nameOf(epoch, sessionMinute(item)));
    if (bucket === undefined || bucket.endsAtMs <= nowMs) return "refused";
    const packed = Buffer.allocUnsafeSlow(FIELD_BYTES + VALUE_BYTES);
    writeItem(item, packed, 0);
    const field = packed.toString("latin1", 0, FIELD_BYTES);
    const value = packed.subarray(FIELD_BYTES);
    const recorded = bucket.values.get(field);
    if (recorded !== undefined) return judge(recorded, value);
    if (this.#entries >= this.#entriesMax) return "refused";
    bucket.values.set(field, value);
    this.#entries += 1;
    return judge(undefined, value);
  }

  #sweep(nowMs: number): void {
    for (const [name, { endsAtMs }] of this.#buckets) if (endsAtMs <= nowMs) this.#drop(name);
  }

  #drop(name: string): void {
    this.#entries -= this.#buckets.get(name)?.values.size ?? 0;
    this.#buckets.delete(name);
  }
}

function nameOf(epoch: string, minute: number): string {
  return `${epoch}:${minute}`;
}
