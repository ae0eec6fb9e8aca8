import type { Bus, StoreBus } from "@scbe/bus";
import {
  type Environment,
  type EpochRecord,
  isScbeError,
  readEpoch,
  SUBJECTS,
  writeEpoch,
} from "@scbe/contracts";
import { type Clock, type Logger, type Readiness, ReconcileLoop } from "@scbe/runtime";
import { type EpochKeeper, isForeignRecord, type PassReport } from "./epoch-keeper.ts";
import type { ReplayMetrics } from "./metrics.ts";
import type { RecordStore, ReplayStore } from "./ports.ts";
import type { Quotas } from "./quotas.ts";

export interface EpochLoopOptions {
  readonly keeper: EpochKeeper;
  readonly store: ReplayStore;
  readonly records: RecordStore;
  readonly bus: Bus;
  /** The link to the account of the record. */
  readonly kv: Pick<StoreBus, "onReconnect">;
  readonly clock: Clock;
  readonly readiness: Readiness;
  readonly metrics: ReplayMetrics;
  readonly quotas: Pick<Quotas, "note">;
  readonly log: Logger;
  readonly env: Environment;
}

/** The running loop; disposal ends it. */
export interface EpochLoop extends AsyncDisposable {
  readonly loop: ReconcileLoop;
}

/** Between two passes, and two broadcasts of an unchanged record. Passes may come more often. */
const BROADCAST_MS = 500;
/** Passes come every {@link BROADCAST_MS}, and timers can be early. */
const EARLY_MS = 50;
/** Between the starts of two passes. */
const GAP_MS = 50;
/** How long KV may be away before this guard leaves. Its admissions stay safe, but it does not learn of a newer epoch. */
const UNVERIFIED_MS_MAX = 3000;

/**
 * Runs a pass of the keeper twice a second, and when record, store or connection may have changed, and publishes the outcome of each:
 * readiness, metrics, broadcast.
 * @throws ScbeError FORBIDDEN or INTERNAL when the first pass finds a record of another environment
 */
export async function startEpochLoop(options: EpochLoopOptions): Promise<EpochLoop> {
  const { keeper, store, records, bus, kv, clock, readiness, log, env } = options;
  await using stack = new AsyncDisposableStack();
  readiness.declare("replay store");
  readiness.declare("epoch");
  const status = new EpochStatus(options);
  stack.use(
    bus.subscribe(SUBJECTS.epoch, ({ data }) => {
      const decoded = readEpoch(data, env);
      if (!decoded.ok) log.warn({ why: decoded.reason }, "a broadcast of the replay epoch was not used");
      else if (keeper.hear(decoded.record)) void loop.next();
    }),
  );
  const first = await keeper.reconcile();
  if (isForeignRecord(first) && !first.serve && first.why === "failed") throw first.error;
  status.update(first);
  const pass = async (): Promise<void> => status.update(await keeper.reconcile());
  const loop = stack.use(new ReconcileLoop(pass, BROADCAST_MS, { clock, gapMs: GAP_MS }));
  const nudge = (): void => void loop.next();
  stack.use(store.onChange(nudge));
  stack.use(records.watch(nudge));
  stack.use(bus.onReconnect(nudge));
  stack.use(kv.onReconnect(nudge));
  if (!first.serve) nudge();
  const held = stack.move();
  return { loop, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

type Serving = Extract<PassReport, { serve: true }>;
type NotServing = Extract<PassReport, { serve: false }>;
type Failed = Extract<PassReport, { why: "failed" }>;

/** Readiness, metrics, log and broadcast after each pass. */
class EpochStatus {
  readonly #options: EpochLoopOptions;
  readonly #broadcast: EpochBroadcast;
  #verifiedAtMs = Number.NEGATIVE_INFINITY;
  #logged = "";

  constructor(options: EpochLoopOptions) {
    this.#options = options;
    this.#broadcast = new EpochBroadcast(options.bus, options.clock);
  }

  update(report: PassReport): void {
    if (report.serve) this.#serving(report);
    else this.#notServing(report);
    const { keeper, metrics } = this.#options;
    metrics.generation(keeper.inForce?.record.generation ?? 0);
  }

  #serving({ record, started }: Serving): void {
    const { readiness, store, clock, metrics, quotas, log } = this.#options;
    this.#verifiedAtMs = clock.monotonic();
    this.#logged = "";
    if (started !== undefined) {
      metrics.started(started);
      log.warn({ why: started, generation: record.generation }, "started a replay epoch");
    }
    const note = [store.note, quotas.note].filter((it) => it !== undefined).join("; ");
    readiness.set("replay store", { ok: true, ...(note !== "" && { note }) });
    readiness.set("epoch", { ok: true });
    this.#broadcast.send(record);
  }

  #notServing(report: NotServing): void {
    const { readiness, log } = this.#options;
    const { store, epoch } = this.#reasons(report);
    if (store !== undefined) readiness.set("replay store", { ok: false, reason: store });
    if (epoch !== undefined) readiness.set("epoch", { ok: false, reason: epoch });
    const why = store ?? epoch ?? "";
    if (why !== "" && why !== this.#logged) log.warn({ why }, "not admitting");
    this.#logged = why;
  }

  #reasons(report: NotServing): { store?: string; epoch?: string } {
    switch (report.why) {
      case "store":
        return { store: report.reason };
      case "other-store":
        return { epoch: "the epoch in force is kept by another store; standing by" };
      case "out-of-range":
        return { epoch: "the epoch in force has no bucket for this clock's time; standing by" };
      case "contended":
        return { epoch: "other guards change the epoch faster than this one follows" };
      case "failed":
        return this.#failure(report);
    }
  }

  #failure(report: Failed): { store?: string; epoch?: string } {
    const { keeper, clock, log } = this.#options;
    const text = isScbeError(report.error) ? report.error.message : "internal error";
    if (!isScbeError(report.error)) log.error({ err: report.error }, "a pass failed by a defect");
    if (report.at === "store") return { store: text };
    const foreign = isForeignRecord(report);
    if (!foreign && clock.monotonic() - this.#verifiedAtMs <= UNVERIFIED_MS_MAX) return {};
    keeper.standBy();
    return { epoch: text };
  }
}

/** Broadcasts the epoch that this guard has just verified, to sealers and the other guards. */
class EpochBroadcast {
  readonly #bus: Bus;
  readonly #clock: Clock;
  #last: { readonly text: string; readonly atMs: number } | undefined;

  constructor(bus: Bus, clock: Clock) {
    this.#bus = bus;
    this.#clock = clock;
  }

  /** Publishes a changed record at once, and an unchanged one every {@link BROADCAST_MS}. A lost connection is not an error. */
  send(record: EpochRecord): void {
    const data = writeEpoch(record);
    const text = Buffer.from(data).toString("utf8");
    const nowMs = this.#clock.monotonic();
    const last = this.#last;
    if (last?.text === text && nowMs - last.atMs < BROADCAST_MS - EARLY_MS) return;
    try {
      this.#bus.publish(SUBJECTS.epoch, data);
      this.#last = { text, atMs: nowMs };
    } catch (error) {
      if (!isScbeError(error, "DISCONNECTED")) throw error;
    }
  }
}
