import type { AdmitItem, AdmitVerdict } from "@scbe/contracts";
import type { AdmitAnswer, AdmitRequest, Buckets, MakeAnswer, Occupancy, StoreSight } from "../ports.ts";
import { FIELD_BYTES, judge, sessionMinute, VALUE_BYTES, writeItem } from "./judge.ts";

/** Field and value, without the overhead of the data structure. */
const ENTRY_BYTES = FIELD_BYTES + VALUE_BYTES;

interface Bucket {
  readonly epoch: string;
  readonly endsAtMs: number;
  /** By provider. */
  readonly entries: Map<string, Map<string, Buffer>>;
}

export interface TableLimits {
  /** Envelopes at most, of all epochs. */
  readonly entriesMax: number;
  /** Envelopes of one provider at most, in all buckets of an epoch together. */
  readonly quota: number;
}

/** The replay store as a data structure: does in this process what the scripts do in Redis. Times are monotonic ms. */
export class ReplayTable {
  /** Identifies the store; each incarnation has another id. */
  readonly id: string;
  readonly #limits: TableLimits;
  readonly #buckets = new Map<string, Bucket>();
  /** By epoch and provider. */
  readonly #counts = new Map<string, number>();
  #entries = 0;

  constructor(id: string, limits: TableLimits) {
    this.#limits = limits;
    this.id = id;
  }

  get entries(): number {
    return this.#entries;
  }

  admit({ epoch, store, provider, items }: TableRequest, nowMs: number): AdmitAnswer {
    if (store !== this.id) return { isStore: false };
    const judged = items.map((item) => this.#judge(epoch, provider, item, nowMs));
    const overQuota = judged.filter((it) => it === "full").length;
    return { isStore: true, verdicts: judged.map((it) => (it === "full" ? "refused" : it)), overQuota };
  }

  make({ epoch, buckets }: Buckets, store: string | undefined, nowMs: number): MakeAnswer {
    this.#sweep(nowMs);
    if (store !== undefined && store !== this.id) return { made: false };
    if (buckets.some(({ minute }) => this.#buckets.has(nameOf(epoch, minute)))) return { made: false };
    for (const { minute, lifeMs } of buckets) {
      this.#buckets.set(nameOf(epoch, minute), { epoch, endsAtMs: nowMs + lifeMs, entries: new Map() });
    }
    return { made: true, store: this.id };
  }

  look(epoch: string, minutes: readonly number[], nowMs: number): Extract<StoreSight, { usable: true }> {
    this.#sweep(nowMs);
    const present = minutes.filter((minute) => this.#buckets.has(nameOf(epoch, minute)));
    return { usable: true, store: this.id, present: new Set(present) };
  }

  /** How full it is: the entries of these buckets, and the bytes of all. */
  measure(epoch: string, minutes: readonly number[], nowMs: number): Occupancy {
    this.#sweep(nowMs);
    const entries = new Map<string, number>();
    for (const minute of minutes) {
      for (const [provider, values] of this.#buckets.get(nameOf(epoch, minute))?.entries ?? []) {
        entries.set(provider, (entries.get(provider) ?? 0) + values.size);
      }
    }
    const usedBytes = this.#entries * ENTRY_BYTES;
    return { entries, usedBytes, maxBytes: this.#limits.entriesMax * ENTRY_BYTES };
  }

  /** Drops every bucket for which `isDropped` is true, like a deletion of keys in Redis. */
  drop(isDropped: (epoch: string, minute: number) => boolean): void {
    for (const name of this.#buckets.keys()) {
      const [epoch = "", minute = ""] = name.split(":");
      if (isDropped(epoch, Number(minute))) this.#drop(name);
    }
  }

  /** The same content under another id, like a replica. */
  copy(id: string): ReplayTable {
    const copy = new ReplayTable(id, this.#limits);
    for (const [name, bucket] of this.#buckets) {
      const entries = Array.from(bucket.entries, ([it, values]) => [it, new Map(values)] as const);
      copy.#buckets.set(name, { ...bucket, entries: new Map(entries) });
    }
    for (const [name, count] of this.#counts) copy.#counts.set(name, count);
    copy.#entries = this.#entries;
    return copy;
  }

  #judge(epoch: string, provider: string, item: AdmitItem, nowMs: number): AdmitVerdict | "full" {
    const bucket = this.#buckets.get(nameOf(epoch, sessionMinute(item)));
    if (bucket === undefined || bucket.endsAtMs <= nowMs) return "refused";
    const packed = Buffer.allocUnsafeSlow(FIELD_BYTES + VALUE_BYTES);
    writeItem(item, packed, 0);
    const field = packed.toString("latin1", 0, FIELD_BYTES);
    const value = packed.subarray(FIELD_BYTES);
    const recorded = bucket.entries.get(provider)?.get(field);
    if (recorded !== undefined) return judge(recorded, value);
    const { entriesMax, quota } = this.#limits;
    if (this.#entries >= entriesMax || this.#countOf(epoch, provider) >= quota) return "full";
    const values = bucket.entries.get(provider) ?? new Map<string, Buffer>();
    bucket.entries.set(provider, values.set(field, value));
    this.#count(epoch, provider, 1);
    return judge(undefined, value);
  }

  #sweep(nowMs: number): void {
    for (const [name, { endsAtMs }] of this.#buckets) if (endsAtMs <= nowMs) this.#drop(name);
  }

  #drop(name: string): void {
    const bucket = this.#buckets.get(name);
    this.#buckets.delete(name);
    for (const [provider, { size }] of bucket?.entries ?? [])
      this.#count(bucket?.epoch ?? "", provider, -size);
  }

  #countOf(epoch: string, provider: string): number {
    return this.#counts.get(`${epoch}:${provider}`) ?? 0;
  }

  #count(epoch: string, provider: string, change: number): void {
    this.#entries += change;
    const count = this.#countOf(epoch, provider) + change;
    if (count > 0) this.#counts.set(`${epoch}:${provider}`, count);
    else this.#counts.delete(`${epoch}:${provider}`);
  }
}

/** A request without `minutes`: the table keeps its own counts. */
type TableRequest = Omit<AdmitRequest, "minutes">;

function nameOf(epoch: string, minute: number): string {
  return `${epoch}:${minute}`;
}
