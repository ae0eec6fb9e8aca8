import type { Identity } from "@scbe/bus";
import type { ControlDocument } from "@scbe/envelope/control";
import { collectLogs } from "@scbe/testkit";
import type fc from "fast-check";
import { SignedControlPlane } from "../src/control/plane.ts";
import type { ControlStore, StoredControl } from "../src/control/store.ts";

/** Chooses the order at every point where another step may come first. */
type Schedule = Pick<fc.Scheduler, "schedule">;

export interface ModelOptions {
  readonly schedule: Schedule;
  readonly identity: Identity;
  /** The skew of the clock of each controller. */
  readonly skewsMs: readonly number[];
  /** Whether the next broadcast to a controller is lost. */
  isLost(): boolean;
}

/** Controllers over one store and one bus, in memory: messages, reads and writes arrive when the schedule says so, or never. */
export class CoreModel {
  readonly controllers: readonly ModelController[];
  readonly sent: ControlDocument[] = [];
  /** Every stored document, in order. */
  readonly stored: ControlDocument[] = [];
  readonly #options: ModelOptions;
  #nowMs = 1_800_000_000_000;

  constructor(options: ModelOptions) {
    this.#options = options;
    this.controllers = options.skewsMs.map(
      (skewMs, n) => new ModelController(this, options, skewMs, n === 0),
    );
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  pass(ms: number): void {
    this.#nowMs += ms;
  }

  send(document: ControlDocument, from: ModelController): void {
    this.sent.push(document);
    for (const controller of this.controllers) {
      if (controller !== from && this.#options.isLost()) continue;
      void this.#options.schedule
        .schedule(Promise.resolve(), "a broadcast")
        .then(() => controller.hear(document));
    }
  }

  read(): StoredControl | undefined {
    const document = this.stored.at(-1);
    return document && { document, revision: this.stored.length };
  }

  write(document: ControlDocument, revision = 0): number | undefined {
    if (revision !== this.stored.length) return undefined;
    return this.stored.push(document);
  }
}

/** One controller, which can end at any point. */
export class ModelController {
  readonly plane: SignedControlPlane;
  readonly #model: CoreModel;
  readonly #schedule: Schedule;
  #isAlive = true;
  #reconciling = false;
  #again = false;

  constructor(model: CoreModel, { schedule, identity }: ModelOptions, skewMs: number, leads: boolean) {
    this.#model = model;
    this.#schedule = schedule;
    this.plane = new SignedControlPlane({
      ...{ identity, env: "dev", providers: ["openai", "xai"], log: collectLogs({ level: "fatal" }).log },
      store: this.#store(),
      clock: { now: () => model.nowMs + skewMs, monotonic: () => model.nowMs },
      audit: { append: () => undefined },
      send: (document) => {
        if (this.#isAlive) model.send(document, this);
      },
      isRelay: () => leads,
      pause: () => this.#point("a pause"),
    });
    this.plane.onUnstored(() => void this.reconcile());
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** It sends nothing from now on; what it has sent still arrives. */
  crash(): void {
    this.#isAlive = false;
  }

  hear(document: ControlDocument): void {
    if (this.#isAlive) this.plane.offer(document);
  }

  /** Never two passes at once; a call during a pass makes one more. */
  async reconcile(): Promise<void> {
    this.#again = true;
    if (this.#reconciling) return;
    this.#reconciling = true;
    while (this.#again) {
      this.#again = false;
      await this.#point("a pass");
      await this.plane.reconcile();
    }
    this.#reconciling = false;
  }

  #store(): ControlStore {
    const there = async <T>(what: string, work: () => T): Promise<T> => {
      if (!this.#isAlive) await forever();
      await this.#point(what);
      const answer = work();
      await this.#point("its answer");
      if (!this.#isAlive) await forever();
      return answer;
    };
    return {
      read: () => there("a read", () => this.#model.read()),
      write: (document, revision) => there("a write", () => this.#model.write(document, revision)),
      watch: () => ({ [Symbol.asyncDispose]: async () => undefined }),
    };
  }

  async #point(what: string): Promise<void> {
    await this.#schedule.schedule(Promise.resolve(), what);
  }
}

function forever(): Promise<never> {
  return new Promise(() => undefined);
}
