import { KV_KEYS } from "@scbe/contracts";
import { type Clock, Listeners, type Logger, ReconcileLoop } from "@scbe/runtime";
import { z } from "zod";
import type { Bucket, StoreBus } from "./store-bus.ts";
import { comparedKey } from "./stored-record.ts";

/** Whether this process leads. */
export interface Leading {
  /** By its own monotonic clock, so that a process that was frozen does not lead when it continues. */
  readonly leading: boolean;
  /** Runs after each change of {@link leading}. */
  onChange(listener: (leading: boolean) => void): Disposable;
}

export interface LeadershipOptions {
  readonly store: LeaderStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Of this process: a UUID. */
  readonly id: string;
  readonly leaderMs: number;
}

/**
 * Elects one leader among equal processes. The leader writes its record every third of `leaderMs`, and stops leading by itself if it could not for
 * two thirds; another process takes over after it has seen no new revision for all of that time.
 */
export class Leadership implements Leading, AsyncDisposable {
  readonly #options: LeadershipOptions;
  readonly #listeners = new Listeners<[leading: boolean]>();
  readonly #loop: ReconcileLoop;
  readonly #watch: AsyncDisposable;
  #seen: SeenLeader | undefined;
  /** Leads until then, by the monotonic clock. */
  #untilMs = Number.NEGATIVE_INFINITY;
  #ending: NodeJS.Timeout | undefined;
  /** The state that listeners know. */
  #reported = false;
  #failed = false;
  #stopped = false;

  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.#loop = new ReconcileLoop(() => this.#pass(), options.leaderMs / 3);
    this.#watch = options.store.watch((record) => {
      if (record === undefined || record.id === "") this.#loop.nudge();
    });
    this.#loop.nudge();
  }

  get leading(): boolean {
    return this.#options.clock.monotonic() < this.#untilMs;
  }

  /** True if another process is known to lead. */
  get standsBy(): boolean {
    return !this.leading && this.#seen?.record !== undefined && !this.#failed;
  }

  onChange(listener: (leading: boolean) => void): Disposable {
    return this.#listeners.add(listener);
  }

  /** Steps down and writes that, so that a successor need not wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#watch[Symbol.asyncDispose]();
    await this.#loop[Symbol.asyncDispose]();
    const seen = this.#seen;
    const wasLeading = this.leading;
    this.#leadUntil(Number.NEGATIVE_INFINITY);
    if (!wasLeading || seen?.record === undefined) return;
    const free: LeaderRecord = { ...seen.record, id: "" };
    await this.#options.store.write(free, seen.revision).catch(() => undefined);
  }

  async #pass(): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#elect();
      if (this.#failed) log.info("the leader is known again");
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) log.warn({ err: error }, "the leader's record can be neither read nor written");
      this.#failed = true;
    }
    this.#report();
  }

  async #elect(): Promise<void> {
    const { store, clock, id, leaderMs } = this.#options;
    const seen = this.#see(await store.read());
    const record = recordToWrite(id, seen, { nowMs: clock.monotonic(), leaderMs });
    if (record === undefined) {
      this.#leadUntil(Number.NEGATIVE_INFINITY);
      return;
    }
    const beganMs = clock.monotonic();
    const revision = await store.write(record, seen.revision);
    if (revision === undefined) return;
    this.#seen = { record, revision, sinceMs: beganMs };
    if (!this.#stopped) this.#leadUntil(beganMs + leadsForMs(leaderMs));
  }

  /** The age of a revision counts from when it was first seen. */
  #see(stored: StoredLeader): SeenLeader {
    const isKnown = this.#seen !== undefined && this.#seen.revision === stored.revision;
    const sinceMs = isKnown && this.#seen ? this.#seen.sinceMs : this.#options.clock.monotonic();
    this.#seen = { ...stored, sinceMs };
    return this.#seen;
  }

  #leadUntil(untilMs: number): void {
    const { clock } = this.#options;
    this.#untilMs = untilMs;
    clearTimeout(this.#ending);
    if (Number.isFinite(untilMs)) {
      // Timers may fire early.
      this.#ending = setTimeout(() => this.#report(), Math.ceil(untilMs - clock.monotonic()) + 1);
    }
    this.#report();
  }

  #report(): void {
    const { leading } = this;
    if (leading === this.#reported) return;
    this.#reported = leading;
    const term = this.#seen?.record?.term;
    this.#options.log.info({ leading, term }, leading ? "leads" : "no longer leads");
    this.#listeners.notify(leading);
  }
}

/** The leader, as stored. */
export interface LeaderRecord {
  readonly v: 1;
  /** Of a process, drawn when it starts; empty after the leader has stepped down. */
  readonly id: string;
  /** Grows by one with each leader. */
  readonly term: number;
}

/** A stored leader, and when this process first saw that revision, by its own monotonic clock. */
type SeenLeader = StoredLeader & { readonly sinceMs: number };

/**
 * The record to write by compare-and-set: it renews this process's leadership, or takes over once the record has not changed for `leaderMs`;
 * undefined if another process leads. No two clocks are compared: a leader stops {@link leadsForMs} after it began to write the record seen here.
 */
function recordToWrite(
  id: string,
  { record, sinceMs }: SeenLeader,
  { nowMs, leaderMs }: { readonly nowMs: number; readonly leaderMs: number },
): LeaderRecord | undefined {
  if (record?.id === id) return record;
  const isFree = record === undefined || record.id === "" || nowMs - sinceMs >= leaderMs;
  return isFree ? { v: 1, id, term: (record?.term ?? 0) + 1 } : undefined;
}

/** How long a process leads after it *began* to write its record. The rest of `leaderMs` keeps two processes from leading at once. */
function leadsForMs(leaderMs: number): number {
  return (leaderMs * 2) / 3;
}

/** Where equal processes agree on their leader. */
export interface LeaderStore {
  read(): Promise<StoredLeader>;
  /** Writes only if the store is still at `revision` (undefined: empty). Returns the new revision; undefined if another process wrote first. */
  write(record: LeaderRecord, revision: number | undefined): Promise<number | undefined>;
  watch(listener: (record: LeaderRecord | undefined) => void): AsyncDisposable;
}

export interface StoredLeader {
  /** undefined: there is none, or it is unreadable. */
  readonly record: LeaderRecord | undefined;
  /** undefined: there is no record at all. */
  readonly revision: number | undefined;
}

const RECORD_BYTES_MAX = 512;
const Record = z.strictObject({
  v: z.literal(1),
  id: z.union([z.uuid(), z.literal("")]),
  term: z.int().min(1),
});

/** The leader, as the key `leader` of a KV bucket. An unreadable record counts as one whose leader has stepped down. */
export function kvLeaderStore(bus: Pick<StoreBus, "onReconnect">, bucket: Bucket): LeaderStore & Disposable {
  const key = comparedKey(bus, bucket, KV_KEYS.leader);
  return {
    async read() {
      const entry = await key.read();
      return { record: entry && decode(entry.value), revision: entry?.revision };
    },
    write: (record, revision) => key.write(Buffer.from(JSON.stringify(record)), revision),
    watch: (listener) => bucket.watch(KV_KEYS.leader, (entry) => listener(entry && decode(entry.value))),
    [Symbol.dispose]: () => key[Symbol.dispose](),
  };
}

function decode(value: Uint8Array): LeaderRecord | undefined {
  if (value.length > RECORD_BYTES_MAX) return undefined;
  try {
    return Record.parse(JSON.parse(Buffer.from(value).toString("utf8")));
  } catch {
    return undefined;
  }
}
