import type { Bus, StoreBus } from "@scbe/bus";
import { type Environment, isScbeError, readEpoch, SUBJECTS } from "@scbe/contracts";
import { type Clock, type Logger, type Readiness, ReconcileLoop } from "@scbe/runtime";
import { BROADCAST_MS, EpochBroadcast } from "./epoch-broadcast.ts";
import { type EpochKeeper, isForeignRecord, type TurnReport } from "./epoch-keeper.ts";
import type { ReplayMetrics } from "./metrics.ts";
import type { RecordStore, ReplayStore } from "./ports.ts";
import type { Quotas } from "./quotas.ts";

export interface KeepEpochOptions {
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

/** The turns at work; disposing ends them. */
export interface EpochKeeping extends AsyncDisposable {
  readonly turns: ReconcileLoop;
}

/** Between the starts of two turns, however many ask for one. */
const GAP_MS = 50;
/** How long KV may be away before this guard leaves: what it admits until then is safe, but nobody hears of its epoch. */
const UNVERIFIED_MS_MAX = 3000;

/**
 * Has the keeper take its turns: twice a second, and when record, store or connection may have changed; and shows after
 * each how things stand: readiness, metrics, broadcast.
 * @throws ScbeError FORBIDDEN or INTERNAL when the first turn finds a record that is not this environment's
 */
export async function keepEpoch(options: KeepEpochOptions): Promise<EpochKeeping> {
  const { keeper, store, records, bus, kv, clock, readiness, log, env } = options;
  await using stack = new AsyncDisposableStack();
  readiness.declare("replay store");
  readiness.declare("epoch");
  const show = new Show(options);
  stack.use(
    bus.subscribe(SUBJECTS.epoch, ({ data }) => {
      const decoded = readEpoch(data, env);
      if (!decoded.ok) log.warn({ why: decoded.reason }, "a broadcast of the replay epoch was not used");
      else if (keeper.hear(decoded.record)) void turns.next();
    }),
  );
  const first = await keeper.turn();
  if (isForeignRecord(first) && !first.serve && first.why === "failed") throw first.error;
  show.report(first);
  const turn = async (): Promise<void> => show.report(await keeper.turn());
  const turns = stack.use(new ReconcileLoop(turn, BROADCAST_MS, { clock, gapMs: GAP_MS }));
  const nudge = (): void => void turns.next();
  stack.use(store.onChange(nudge));
  stack.use(records.watch(nudge));
  stack.use(bus.onReconnect(nudge));
  stack.use(kv.onReconnect(nudge));
  if (!first.serve) nudge();
  const held = stack.move();
  return { turns, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** Shows the outcome of each turn. */
class Show {
  readonly #options: KeepEpochOptions;
  readonly #broadcast: EpochBroadcast;
  #verifiedAtMs = Number.NEGATIVE_INFINITY;
  #said = "";

  constructor(options: KeepEpochOptions) {
    this.#options = options;
    this.#broadcast = new EpochBroadcast(options.bus, options.clock);
  }

  report(report: TurnReport): void {
    if (report.serve) this.#serving(report);
    else this.#notServing(report);
    const { keeper, metrics } = this.#options;
    metrics.generation(keeper.inForce?.record.generation ?? 0);
  }

  #serving({ record, started }: Extract<TurnReport, { serve: true }>): void {
    const { readiness, store, clock, metrics, quotas, log } = this.#options;
    this.#verifiedAtMs = clock.monotonic();
    this.#said = "";
    if (started !== undefined) {
      metrics.started(started);
      log.warn({ why: started, generation: record.generation }, "started a replay epoch");
    }
    const note = [store.note, quotas.note].filter((it) => it !== undefined).join("; ");
    readiness.set("replay store", { ok: true, ...(note !== "" && { note }) });
    readiness.set("epoch", { ok: true });
    this.#broadcast.send(record);
  }

  #notServing(report: Extract<TurnReport, { serve: false }>): void {
    const { readiness, log } = this.#options;
    const { store, epoch } = this.#reasons(report);
    if (store !== undefined) readiness.set("replay store", { ok: false, reason: store });
    if (epoch !== undefined) readiness.set("epoch", { ok: false, reason: epoch });
    const said = store ?? epoch ?? "";
    if (said !== "" && said !== this.#said) log.warn({ why: said }, "not admitting");
    this.#said = said;
  }

  #reasons(report: Extract<TurnReport, { serve: false }>): { store?: string; epoch?: string } {
    switch (report.why) {
      case "store":
        return { store: report.reason };
      case "other-store":
        return { epoch: "the epoch in force is kept by another store; standing by" };
      case "out-of-range":
        return { epoch: "the epoch in force has no place for this clock's time; standing by" };
      case "contended":
        return { epoch: "other guards change the epoch faster than this one follows" };
      case "failed":
        return this.#failure(report);
    }
  }

  #failure(report: Extract<TurnReport, { why: "failed" }>): { store?: string; epoch?: string } {
    const { keeper, clock, log } = this.#options;
    const text = isScbeError(report.error) ? report.error.message : "internal error";
    if (!isScbeError(report.error)) log.error({ err: report.error }, "a turn failed by a defect");
    if (report.at === "store") return { store: text };
    const foreign = isForeignRecord(report);
    if (!foreign && clock.monotonic() - this.#verifiedAtMs <= UNVERIFIED_MS_MAX) return {};
    keeper.standBy();
    return { epoch: text };
  }
}
