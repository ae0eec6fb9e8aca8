import type { EpochRecord } from "@scbe/contracts";

/** The newest record that a guard knows of, by KV or by a broadcast. */
export type Seen = Pick<EpochRecord, "generation" | "epoch" | "to">;

/** Epochs whose last broadcast is remembered. */
const HEARD_MAX = 8;

/** What one guard remembers of the epochs that there were; gone with its process. */
export class EpochMemory {
  readonly #sinceMs: number;
  readonly #heardAtMs = new Map<string, number>();
  #seen: Seen | undefined;

  /** @param nowMs monotonic */
  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  get seen(): Seen | undefined {
    return this.#seen;
  }

  /** Remembers a record that was read, written or heard of, where it is newer than what is remembered. */
  note({ generation, epoch, to }: Seen): void {
    const seen = this.#seen;
    if (seen === undefined || generation > seen.generation) this.#seen = { generation, epoch, to };
    else if (generation === seen.generation && epoch === seen.epoch && to > seen.to)
      this.#seen = { ...seen, to };
  }

  /** A guard that has just verified record and store has said so. @param nowMs monotonic */
  hear(record: Seen, nowMs: number): void {
    this.note(record);
    this.#heardAtMs.delete(record.epoch);
    this.#heardAtMs.set(record.epoch, nowMs);
    const [oldest] = this.#heardAtMs.keys();
    if (this.#heardAtMs.size > HEARD_MAX && oldest !== undefined) this.#heardAtMs.delete(oldest);
  }

  /** How long nobody has verified this epoch, as far as this guard could hear. @param nowMs monotonic */
  quietMs(epoch: string, nowMs: number): number {
    return nowMs - Math.max(this.#heardAtMs.get(epoch) ?? this.#sinceMs, this.#sinceMs);
  }
}

/**
 * True when a stored record is behind what was seen: KV has gone back to it. Two epochs of one generation can only come
 * of that, too.
 */
export function isBehind(stored: Seen, seen: Seen | undefined): boolean {
  if (seen === undefined || stored.generation !== seen.generation) {
    return seen !== undefined && stored.generation < seen.generation;
  }
  return stored.epoch !== seen.epoch || stored.to < seen.to;
}
