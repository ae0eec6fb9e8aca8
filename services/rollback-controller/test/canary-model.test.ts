import fc from "fast-check";
import { expect, test } from "vitest";
import {
  CanaryWorld,
  controllerOf,
  engage,
  type Gate,
  PROVIDER,
  release,
  setFlag,
  type TestController,
  type Weather,
} from "./canary-world.ts";

/** One event. Between two events some of the work under way continues, in any order. */
type Event =
  | { readonly is: "pass" | "crash" | "sees"; readonly index: Index }
  | { readonly is: "leads"; readonly index: Index; readonly leads: boolean }
  | { readonly is: "start" | "pause" | "resume" | "abort"; readonly index: Index }
  | { readonly is: "flag"; readonly percentage: number }
  | { readonly is: "kill" }
  | { readonly is: "release" }
  | { readonly is: "other change" }
  | { readonly is: "weather"; readonly weather: Weather }
  | { readonly is: "time" };
type Index = 0 | 1;

const index = fc.constantFrom<Index>(0, 1);
const EVENT = fc.oneof(
  { weight: 8, arbitrary: fc.record({ is: fc.constant("pass" as const), index }) },
  { weight: 4, arbitrary: fc.record({ is: fc.constantFrom("sees" as const), index }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("crash" as const), index }) },
  { weight: 3, arbitrary: fc.record({ is: fc.constant("leads" as const), index, leads: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ is: fc.constantFrom("start", "pause", "resume", "abort"), index }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ is: fc.constant("flag" as const), percentage: fc.constantFrom(0, 25, 100) }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constantFrom("kill" as const, "release", "other change") }) },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant("weather" as const),
      weather: fc.constantFrom<Weather>("good", "good", "bad", "unknown"),
    }),
  },
  { weight: 4, arbitrary: fc.record({ is: fc.constant("time" as const) }) },
) as fc.Arbitrary<Event>;

/** An event, and how much of the work under way continues after it. */
const STORY = fc.array(fc.tuple(EVENT, fc.integer({ min: 0, max: 12 })), { minLength: 10, maxLength: 60 });

const PERSON = { by: "admin", reason: "as asked" };
const ORDER = { provider: PROVIDER, reason: PERSON.reason };

/** Passes that a running canary needs without faults: one for an unfinished step, one for each further step. */
const TURNS_TO_THE_END = 6;

/** Two controllers in one world, and everything between them in the scheduler's hands. */
class Stage {
  readonly world = new CanaryWorld();
  readonly #scheduler: fc.Scheduler;
  readonly #controllers: [TestController, TestController];
  readonly #lives: [{ lives: boolean }, { lives: boolean }] = [{ lives: true }, { lives: true }];
  /** Orders to start or resume, and those of them under way. */
  #letGo = 0;
  readonly #letting = new Set<{ readonly index: Index }>();

  constructor(scheduler: fc.Scheduler) {
    this.#scheduler = scheduler;
    this.#controllers = [this.#begin(0), this.#begin(1)];
    this.#controllers[0].lead(true);
  }

  async play([event, canFailOver]: readonly [Event, number]): Promise<void> {
    this.#happen(event);
    for (let i = 0; i < canFailOver && this.#scheduler.count() > 0; i += 1) await this.#scheduler.waitNext(1);
  }

  /** All work under way ends; then one controller is left, without faults. */
  async calm(): Promise<void> {
    await this.#scheduler.waitIdle();
    this.world.weather = "good";
    for (let i = 0; i < TURNS_TO_THE_END; i += 1) {
      const controller = this.#controllers[0];
      this.world.now += 60_000;
      this.#controllers[1].lead(false);
      controller.lead(true);
      controller.see();
      this.#background(controller.pass());
      await this.#scheduler.waitIdle();
    }
  }

  #happen(event: Event): void {
    const { world } = this;
    if (event.is === "time") world.now += 60_000;
    else if (event.is === "weather") world.weather = event.weather;
    else if (event.is === "flag") this.#person(setFlag(world, event.percentage));
    else if (event.is === "kill") this.#person(engage);
    else if (event.is === "release") this.#person(release);
    else if (event.is === "other change") this.#person((state) => ({ ...state }));
    else this.#happenTo(event.index, event);
  }

  #happenTo(
    index: Index,
    event: Exclude<Event, { is: "time" | "weather" | "flag" | "kill" | "release" | "other change" }>,
  ) {
    const controller = this.#controllers[index];
    if (event.is === "pass") this.#background(controller.pass());
    else if (event.is === "sees") controller.see();
    else if (event.is === "leads") controller.lead(event.leads);
    else if (event.is === "crash") this.#controllers[index] = this.#begin(index);
    else this.#order(index, event.is);
  }

  #order(index: Index, what: "start" | "pause" | "resume" | "abort"): void {
    const { service } = this.#controllers[index];
    const order = { index };
    const lets = what === "start" || what === "resume";
    if (lets) {
      this.#letting.add(order);
      this.#letGo += 1;
      this.world.stopped = false;
    }
    // The order of concurrent orders is not observable.
    const [letGo, alone] = [this.#letGo, this.#letting.size === 0];
    const done = service[what](ORDER, PERSON.by).then(() => {
      if (!lets && alone && letGo === this.#letGo) this.world.stopped = true;
    });
    this.#background(done.finally(() => this.#letting.delete(order)));
  }

  #person(change: Parameters<CanaryWorld["change"]>[0]): void {
    this.#background(this.world.change(change, PERSON, this.#gate({ lives: true })));
  }

  /** Replaces a crashed controller, whose work under way never continues. */
  #begin(index: Index): TestController {
    this.#lives[index].lives = false;
    for (const order of this.#letting) if (order.index === index) this.#letting.delete(order);
    this.#lives[index] = { lives: true };
    return controllerOf(this.world, this.#gate(this.#lives[index]));
  }

  #gate(life: { lives: boolean }): Gate {
    return async () => {
      await this.#scheduler.schedule(Promise.resolve());
      if (!life.lives) await new Promise(() => undefined);
    };
  }

  #background(work: Promise<unknown>): void {
    // Orders that do not apply are refused; nothing else may fail.
    work.catch((error: { code?: string; stack?: string }) => {
      if (error.code !== "CONFLICT") this.world.violations.push(String(error.stack));
    });
  }
}

test("no interleaving of flags, canary steps, kills and crashes raises exposure without one promotion or a person", async () => {
  const seen = { promotions: 0, states: new Set<string>() };
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), STORY, async (scheduler, story) => {
      const stage = new Stage(scheduler);
      await stage.play([{ is: "start", index: 0 }, 12]);
      for (const moment of story) await stage.play(moment);
      const { world } = stage;
      if (world.canary) seen.states.add(world.canary.state);
      await stage.calm();
      if (world.canary) seen.states.add(world.canary.state);
      expect(world.violations).toEqual([]);
      // No step stays unfinished, and every running canary ends.
      expect(world.canary?.intent ?? null).toBeNull();
      expect(world.canary?.state).not.toBe("running");
      seen.promotions += world.promotions;
    }),
    { numRuns: 2000 },
  );
  // Otherwise the test would prove nothing.
  expect(seen.promotions).toBeGreaterThan(50);
  expect([...seen.states].sort()).toEqual(["aborted", "done", "paused", "running"]);
});
