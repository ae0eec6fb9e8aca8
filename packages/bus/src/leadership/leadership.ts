import type { Clock, Logger } from "@scbe/runtime";
import { ReconcileLoop } from "@scbe/runtime";
import { type LeaderRecord, lead, leadsForMs } from "./lead.ts";
import type { LeaderStore, Leading, StoredLeader } from "./leader-store.ts";

export interface LeadershipOptions {
  readonly store: LeaderStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Of this very process: a UUID. */
  readonly id: string;
  readonly leaderMs: number;
}

/**
 * Has one of several equal processes lead. It writes its record again every third of `leaderMs`, and stops to lead by itself when it could
 * not for two thirds; another one takes over when it has seen no new revision for all of that time.
 */
export class Leadership implements Leading, AsyncDisposable {
  readonly #options: LeadershipOptions;
  readonly #listeners = new Set<(leading: boolean) => void>();
  readonly #turns: ReconcileLoop;
  readonly #watch: AsyncDisposable;
  #seen: (StoredLeader & { readonly sinceMs: number }) | undefined;
  /** Leads until then, by the monotonic clock. */
  #untilMs = Number.NEGATIVE_INFINITY;
  #ending: NodeJS.Timeout | undefined;
  #told = false;
  #failed = false;
  #stopped = false;

  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.#turns = new ReconcileLoop(() => this.#turn(), options.leaderMs / 3);
    this.#watch = options.store.watch((record) => {
      if (record === undefined || record.id === "") this.#turns.nudge();
    });
    this.#turns.nudge();
  }

  get leading(): boolean {
    return this.#options.clock.monotonic() < this.#untilMs;
  }

  /** True when it is known that somebody else leads. */
  get standsBy(): boolean {
    return !this.leading && this.#seen?.record !== undefined && !this.#failed;
  }

  onChange(listener: (leading: boolean) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Steps down, and says so, so that nobody needs to wait for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#watch[Symbol.asyncDispose]();
    await this.#turns[Symbol.asyncDispose]();
    const seen = this.#seen;
    const wasLeading = this.leading;
    this.#lead(Number.NEGATIVE_INFINITY);
    if (!wasLeading || seen?.record === undefined) return;
    const free: LeaderRecord = { ...seen.record, id: "" };
    await this.#options.store.write(free, seen.revision).catch(() => undefined);
  }

  async #turn(): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#step();
      if (this.#failed) log.info("who leads is known again");
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) log.warn({ err: error }, "who leads can neither be read nor written now");
      this.#failed = true;
    }
    this.#tell();
  }

  async #step(): Promise<void> {
    const { store, clock, id, leaderMs } = this.#options;
    const seen = this.#look(await store.read());
    const step = lead(id, seen, { nowMs: clock.monotonic(), leaderMs });
    if (step.do === "stand by") {
      this.#lead(Number.NEGATIVE_INFINITY);
      return;
    }
    const beganMs = clock.monotonic();
    const revision = await store.write(step.record, seen.revision);
    if (revision === undefined) return;
    this.#seen = { record: step.record, revision, sinceMs: beganMs };
    if (!this.#stopped) this.#lead(beganMs + leadsForMs(leaderMs));
  }

  /** A revision counts from when it was first seen. */
  #look(stored: StoredLeader): StoredLeader & { readonly sinceMs: number } {
    const isKnown = this.#seen !== undefined && this.#seen.revision === stored.revision;
    const sinceMs = isKnown && this.#seen ? this.#seen.sinceMs : this.#options.clock.monotonic();
    this.#seen = { ...stored, sinceMs };
    return this.#seen;
  }

  #lead(untilMs: number): void {
    const { clock } = this.#options;
    this.#untilMs = untilMs;
    clearTimeout(this.#ending);
    if (Number.isFinite(untilMs)) {
      // Timers may be early.
      this.#ending = setTimeout(() => this.#tell(), Math.ceil(untilMs - clock.monotonic()) + 1);
    }
    this.#tell();
  }

  #tell(): void {
    const { leading } = this;
    if (leading === this.#told) return;
    this.#told = leading;
    this.#options.log.info({ leading, term: this.#seen?.record?.term }, leading ? "leads" : "leads no more");
    for (const listener of [...this.#listeners]) listener(leading);
  }
}
