import type { AdmitItem, EpochEnd, EpochRecord } from "@scbe/contracts";
import {
  type Answers,
  type Effect,
  EpochMemory,
  type EpochPass,
  epochPass,
  type PassOutcome,
} from "../src/domain/epoch-pass.ts";
import { sortBatch } from "../src/domain/judge.ts";
import { ReplayTable } from "../src/domain/replay-table.ts";
import { minuteOf, type Times } from "../src/domain/times.ts";
import { Random } from "./random.ts";

/** The rules of the protocol; a run can disable each of them. */
export interface Rules {
  /** A server is the record's store only while its identity is the record's. */
  readonly storeCheck: boolean;
  /** No guard makes a bucket for an epoch that was read. */
  readonly noBucketsForReadEpoch: boolean;
  /** A guard makes the buckets of an extension only after winning the compare-and-set. */
  readonly extensionCas: boolean;
  /** A record that is behind one that was seen ends the epoch. */
  readonly recordBehind: boolean;
}

export const ALL_RULES: Rules = {
  storeCheck: true,
  noBucketsForReadEpoch: true,
  extensionCas: true,
  recordBehind: true,
};

/** The result of a run. */
export interface RunReport {
  /** The first place (session and counter) for which two attempts got `fresh`. */
  readonly admittedTwice: string | undefined;
  readonly admitted: number;
  readonly extended: number;
  readonly ended: ReadonlyMap<EpochEnd, number>;
}

interface Server {
  table: ReplayTable;
  primary: boolean;
  /** The state of its replica. */
  replica: ReplayTable;
}

interface Guard {
  memory: EpochMemory;
  inForce: EpochRecord | undefined;
  pass: EpochPass | undefined;
  effect: Effect | undefined;
  server: Server;
  skewMs: number;
}

/** An admit on its way to a store, under the record that the guard held when it arrived. */
interface PendingAdmit {
  readonly guard: Guard;
  readonly record: EpochRecord;
  readonly item: AdmitItem;
}

const TIMES: Times = { windowMs: 60_000, limitMs: 60_000 };
const START_MS = 1_800_000_000_000;
/** No bucket of an extension expires earlier. */
const FIRST_EXPIRY_MS = 4 * 60_000;
const LIMITS = { entriesMax: 10_000, quota: 10_000 };
const PROVIDER = "openai";

const ANY_STORE = "any";

/** The weights of the events in a run with every kind of fault. */
const STORM = {
  step: 50,
  admit: 60,
  answer: 12,
  time: 6,
  replicate: 2,
  crash: 1,
  clockStep: 0.2,
  repoint: 0.5,
  restart: 0.2,
  promote: 0.4,
  demote: 0.2,
  dropAll: 0.2,
  dropSome: 1.5,
  rollBack: 0.7,
};
/** The weights in a run with one store, in which only keys are deleted. */
const DELETIONS: typeof STORM = {
  ...STORM,
  ...{ crash: 0.1, clockStep: 0, repoint: 0, restart: 0, promote: 0, demote: 0, dropAll: 0, rollBack: 0 },
  dropSome: 4,
};

/** One run of so many events; the same seed repeats it. */
export function run(seed: number, events: number, rules: Rules): RunReport {
  const world = new World(seed, rules);
  for (let count = 0; count < events && world.admittedTwice === undefined; count += 1) world.happen();
  return world;
}

/** Guards, stores and KV as a sequence of events. The guards' decisions are the code of the service. */
class World implements RunReport {
  admittedTwice: string | undefined;
  admitted = 0;
  extended = 0;
  readonly ended = new Map<EpochEnd, number>();
  readonly #random: Random;
  readonly #rules: Rules;
  readonly #weights: typeof STORM;
  readonly #servers: Server[] = [];
  readonly #guards: Guard[];
  #kv: { readonly record: EpochRecord; readonly revision: number }[] = [];
  #late: (() => void)[] = [];
  #pending: PendingAdmit[] = [];
  readonly #items: AdmitItem[] = [];
  readonly #epochs: string[] = [];
  readonly #fresh = new Map<string, string>();
  #elapsedMs = 0;
  #ids = 0;
  /** A bucket was deleted, or can have expired. */
  #isAnythingGone = false;
  /** After a rollback of KV: the event that is excluded until there is a record of a higher generation than `from`. */
  #wentBack: { readonly from: number; readonly forbids: "crash" | "drop" } | undefined;

  constructor(seed: number, rules: Rules) {
    this.#random = new Random(seed);
    this.#rules = rules;
    this.#weights = seed % 3 === 0 ? DELETIONS : STORM;
    this.#servers.push(this.#newServer());
    this.#guards = Array.from({ length: 3 }, () => this.#newGuard());
  }

  happen(): void {
    const event = this.#random.weighted(this.#weights);
    this[event]();
  }

  step(): void {
    const guard = this.#random.pick(this.#guards);
    if (guard.pass === undefined || guard.effect === undefined) this.#begin(guard);
    else this.#carryOn(guard, guard.effect);
  }

  admit(): void {
    const guard = this.#random.pick(this.#guards);
    if (guard.inForce === undefined) return;
    const pending = { guard, record: guard.inForce, item: this.#someItem(guard) };
    if (this.#random.chance(0.7)) this.#judge(pending);
    else this.#pending.push(pending);
  }

  /** A delayed message arrives: an admit at the store, or a call that its guard has given up. */
  answer(): void {
    if (this.#late.length > 0 && this.#random.chance(0.5)) {
      this.#late.splice(this.#random.below(this.#late.length), 1)[0]?.();
    } else if (this.#pending.length > 0) {
      const [pending] = this.#pending.splice(this.#random.below(this.#pending.length), 1);
      if (pending !== undefined) this.#judge(pending);
    }
  }

  time(): void {
    if (this.#wentBack?.forbids === "drop") return;
    this.#isAnythingGone ||= this.#elapsedMs > FIRST_EXPIRY_MS;
    this.#elapsedMs += this.#random.pick([100, 400, 1200, 5000, 20_000, 40_000, 90_000]);
  }

  replicate(): void {
    const server = this.#random.pick(this.#servers);
    server.replica = server.table.copy("replica");
  }

  crash(): void {
    if (this.#wentBack?.forbids === "crash") return;
    const guard = this.#random.pick(this.#guards);
    Object.assign(guard, this.#newGuard(), { server: guard.server, skewMs: guard.skewMs });
  }

  clockStep(): void {
    this.#random.pick(this.#guards).skewMs = this.#random.pick([
      0, 0, 30_000, -30_000, 120_000, -120_000, 400_000,
    ]);
  }

  repoint(): void {
    this.#random.pick(this.#guards).server = this.#random.pick(this.#servers);
  }

  restart(): void {
    const server = this.#random.pick(this.#servers);
    const forgets = this.#random.chance(0.3);
    const kept = this.#random.pick([server.table, server.replica]);
    server.table = forgets ? new ReplayTable(this.#newId(), LIMITS) : kept.copy(this.#newId());
  }

  /** A replica, which can lag, becomes a primary; the old primary does not always notice. */
  promote(): void {
    const old = this.#random.pick(this.#servers);
    const table = old.replica.copy(this.#newId());
    const promoted = { table, primary: true, replica: table.copy("replica") };
    old.primary &&= this.#random.chance(0.5);
    if (this.#servers.length < 3) this.#servers.push(promoted);
    else Object.assign(this.#random.pick(this.#servers), promoted);
    this.repoint();
    this.repoint();
  }

  /** A primary becomes a replica, or a replica a primary again, with its data. */
  demote(): void {
    const server = this.#random.pick(this.#servers);
    server.primary = !server.primary;
    if (server.primary) server.table = server.table.copy(this.#newId());
  }

  dropAll(): void {
    this.#drop(() => true);
  }

  dropSome(): void {
    const newest = this.#kv.at(-1)?.record.to ?? 0;
    const near = minuteOf(START_MS + this.#elapsedMs) + this.#random.below(7) - 3;
    const minute = this.#random.chance(0.6) ? newest : near;
    const older = this.#random.chance(0.3);
    this.#drop((it) => (older ? it < minute : it === minute));
  }

  /**
   * KV goes back to an earlier record. That takes longer than any call, so no call is still under way. Either every remaining guard has seen
   * the lost records and none of them crashes, or no bucket of the lost records is gone. The protocol does not cover both faults at once.
   */
  rollBack(): void {
    const newest = this.#kv.at(-1)?.record;
    if (this.#kv.length < 2 || newest === undefined || this.#wentBack !== undefined) return;
    const forbids = this.#isAnythingGone ? "crash" : this.#random.pick(["crash", "drop"] as const);
    for (const guard of this.#guards) {
      this.#endPass(guard);
      if (forbids === "crash") guard.memory.note(newest);
    }
    this.#late = [];
    this.#kv = this.#kv.slice(0, this.#random.chance(0.5) ? -1 : this.#random.below(this.#kv.length));
    this.#wentBack = { from: newest.generation, forbids };
    const to = this.#kv.at(-1)?.record.to ?? 0;
    if (this.#random.chance(0.5)) this.#drop((minute) => minute > to);
  }

  #drop(isDropped: (minute: number) => boolean): void {
    if (this.#wentBack?.forbids === "drop") return;
    this.#isAnythingGone = true;
    this.#random.pick(this.#servers).table.drop((_epoch, minute) => isDropped(minute));
  }

  #begin(guard: Guard): void {
    const memory = this.#rules.recordBehind
      ? guard.memory
      : new EpochMemory(guard.memory.quietMs("", 0) * -1);
    const clock = { now: () => START_MS + this.#elapsedMs + guard.skewMs, monotonic: () => this.#elapsedMs };
    guard.pass = epochPass({ env: "dev", times: TIMES, memory, clock, drawEpoch: () => this.#drawEpoch() });
    this.#take(guard, guard.pass.next());
  }

  #carryOn(guard: Guard, effect: Effect): void {
    const { pass, server } = guard;
    const fate = this.#random.weighted({ done: 88, replyLost: 4, lost: 4, late: 4 });
    if (fate === "done" && pass !== undefined) {
      this.#take(guard, pass.next(this.#carryOut(effect, server)));
      return;
    }
    if (fate === "replyLost") this.#carryOut(effect, server);
    if (fate === "late") this.#late.push(() => void this.#carryOut(effect, server));
    this.#endPass(guard);
  }

  #take(guard: Guard, { done, value }: IteratorResult<Effect, PassOutcome>): void {
    if (!done) {
      guard.effect = value;
      return;
    }
    this.#endPass(guard);
    guard.inForce = value.serve ? value.record : undefined;
    if (!value.serve) return;
    if (value.started !== undefined) this.ended.set(value.started, (this.ended.get(value.started) ?? 0) + 1);
    if (value.record.generation > (this.#wentBack?.from ?? Number.POSITIVE_INFINITY))
      this.#wentBack = undefined;
    for (const receiver of this.#guards) {
      if (this.#random.chance(0.8)) receiver.memory.hear(value.record, this.#elapsedMs);
    }
  }

  #endPass(guard: Guard): void {
    guard.pass = undefined;
    guard.effect = undefined;
  }

  #carryOut(effect: Effect, server: Server): Answers[Effect["do"]] {
    switch (effect.do) {
      case "read":
        return this.#kv.at(-1);
      case "write":
        return this.#write(effect.record, effect.revision);
      case "look":
        return this.#look(effect, server);
      case "make":
        return this.#make(effect, server);
    }
  }

  #write(record: EpochRecord, revision: number | undefined): boolean {
    const current = this.#kv.at(-1);
    const isExtension = current?.record.epoch === record.epoch;
    if (current?.revision !== revision) return isExtension && !this.#rules.extensionCas;
    this.#kv.push({ record, revision: (revision ?? 0) + 1 });
    if (isExtension) this.extended += 1;
    else this.#epochs.push(record.epoch);
    return true;
  }

  #look({ epoch, minutes }: Extract<Effect, { do: "look" }>, { table, primary }: Server): Answers["look"] {
    if (!primary) return { usable: false, reason: "a replica" };
    if (!this.#rules.noBucketsForReadEpoch) {
      for (const minute of minutes.slice(0, -1)) {
        table.make({ epoch, buckets: [{ minute, lifeMs: 600_000 }] }, undefined, this.#elapsedMs);
      }
    }
    const sight = table.look(epoch, minutes, this.#elapsedMs);
    return this.#rules.storeCheck ? sight : { ...sight, store: ANY_STORE };
  }

  #make({ buckets, store }: Extract<Effect, { do: "make" }>, { table, primary }: Server): Answers["make"] {
    if (!primary) return { made: false };
    if (this.#rules.storeCheck) return table.make(buckets, store, this.#elapsedMs);
    const answer = table.make(buckets, undefined, this.#elapsedMs);
    return answer.made ? { made: true, store: ANY_STORE } : answer;
  }

  #judge({ guard, record, item }: PendingAdmit): void {
    const { table, primary } = guard.server;
    const { toStore } = sortBatch([item], Buffer.from(record.epoch, "base64url"));
    if (!primary || toStore.length === 0) return;
    const store = this.#rules.storeCheck ? record.store : table.id;
    const answer = table.admit(
      { epoch: record.epoch, store, provider: PROVIDER, items: toStore },
      this.#elapsedMs,
    );
    if (!answer.isStore || answer.verdicts[0] !== "fresh") return;
    const place = `${Buffer.from(item.sessionId).toString("hex")}/${item.counter}`;
    const attempt = Buffer.from(item.attempt).toString("hex");
    if (!this.#fresh.has(place)) this.admitted += 1;
    else if (this.#fresh.get(place) !== attempt) this.admittedTwice = place;
    this.#fresh.set(place, attempt);
  }

  /** A new envelope; or a known one: the same attempt, another attempt, or another envelope that reuses its nonce. */
  #someItem(guard: Guard): AdmitItem {
    const kind = this.#random.weighted({ fresh: 40, resend: 10, replay: 45, reuse: 5 });
    if (kind === "fresh" || this.#items.length === 0) return this.#newItem(guard);
    const recent = this.#items.slice(-40);
    const item = this.#random.pick(this.#random.chance(0.8) ? recent : this.#items);
    if (kind === "resend") return item;
    const attempt = this.#bytes(16);
    return kind === "replay" ? { ...item, attempt } : { ...item, attempt, tag: this.#bytes(16) };
  }

  #newItem(guard: Guard): AdmitItem {
    const epoch = this.#random.chance(0.9) ? this.#kv.at(-1)?.record.epoch : this.#epochs.at(-2);
    const sessionId = this.#bytes(32);
    const nowMs = START_MS + this.#elapsedMs + guard.skewMs;
    const newest = this.#kv.at(-1)?.record.to ?? 0;
    const near = minuteOf(nowMs) + this.#random.below(5) - 2;
    sessionId.writeUInt32BE(this.#random.chance(0.3) ? newest : near);
    const item = {
      epoch: Buffer.from(epoch ?? "", "base64url"),
      sessionId,
      counter: 1 + this.#random.below(2),
      replayNonce: this.#bytes(24),
      tag: this.#bytes(16),
      attempt: this.#bytes(16),
    };
    this.#items.push(item);
    return item;
  }

  #newServer(): Server {
    const table = new ReplayTable(this.#newId(), LIMITS);
    return { table, primary: true, replica: table.copy("replica") };
  }

  #newGuard(): Guard {
    const memory = new EpochMemory(this.#elapsedMs);
    const server = this.#random.pick(this.#servers);
    return { memory, inForce: undefined, pass: undefined, effect: undefined, server, skewMs: 0 };
  }

  #newId(): string {
    this.#ids += 1;
    return `store-${this.#ids}`;
  }

  #drawEpoch(): string {
    return this.#bytes(16).toString("base64url");
  }

  /** Never the same bytes again: a counter, not random. */
  #bytes(length: number): Buffer {
    this.#ids += 1;
    const bytes = Buffer.alloc(length);
    bytes.writeUInt32BE(this.#ids, length - 4);
    return bytes;
  }
}
