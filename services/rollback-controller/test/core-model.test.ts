import { type ControlDocument, signControl, supersedes } from "@scbe/envelope/control";
import { collectLogs, createIdentity } from "@scbe/testkit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { KILL_AHEAD, nextDocument } from "../src/control/next-document.ts";
import { SignedControlPlane } from "../src/control/plane.ts";
import { firstState, releaseKill } from "../src/control/state.ts";
import type { ControlStore } from "../src/control/store.ts";
import { CoreModel } from "./core-model.ts";
import { type Act, acts, isKilled, Orders, shareOf } from "./core-orders.ts";

/** A whole run, with the skew of the clocks, takes less time than a kill is ahead. */
const SKEW_MS = 500;
const STEP_MS = 100;
const STEPS_MAX = 16;
const RUNS = 1500;
const PATIENT_MS = 120_000;
// No test here verifies signatures.
const identity = { publicKey: createIdentity().publicKey, sign: () => new Uint8Array(64) };

const skew = fc.integer({ min: -SKEW_MS, max: SKEW_MS });
const index = fc.integer({ min: 0, max: 1 });
const step = fc.record({ index, afterMs: fc.constantFrom(1, 2, STEP_MS), act: acts });
const run = fc.record({
  schedule: fc.scheduler(),
  steps: fc.array(step, { minLength: 2, maxLength: STEPS_MAX }),
  skewsMs: fc.tuple(skew, skew),
  losses: fc.infiniteStream(fc.boolean()),
});
type Run = typeof run extends fc.Arbitrary<infer T> ? T : never;

/** @param pick the controller that gets the order, from the drawn one */
async function carryOut(
  { schedule, steps, skewsMs, losses }: Run,
  pick: (act: Act, index: number) => number = (_, it) => it,
) {
  const model = new CoreModel({ schedule, identity, skewsMs, isLost: () => losses.next().value === true });
  const orders = new Orders(model);
  const failures: unknown[] = [];
  for (const controller of model.controllers) void controller.reconcile();
  await schedule.waitIdle();
  const carried = steps.map(({ index, afterMs, act }) => ({
    label: `${JSON.stringify(act)} at ${index}`,
    builder: async () => {
      model.pass(afterMs);
      const controller = model.controllers[pick(act, index)];
      if (controller) void orders.give(act, controller).catch((error: unknown) => failures.push(error));
    },
  }));
  schedule.scheduleSequence(carried);
  await schedule.waitIdle();
  expect(failures).toEqual([]);
  return { model, orders };
}

/** Verifiers hand back what they hold, and each remaining controller makes its passes. */
async function settle(model: CoreModel, schedule: Run["schedule"]): Promise<void> {
  const alive = model.controllers.filter(({ isAlive }) => isAlive);
  const highest = model.sent.reduce((held, next) => (supersedes(next, held) ? next : held));
  for (const controller of alive) controller.hear(highest);
  for (const controller of [...alive, ...alive]) {
    void controller.reconcile();
    await schedule.waitIdle();
  }
}

test(
  "with any concurrent changes, no document that a verifier would accept undoes a kill, except for a release by a person that saw the kill",
  async () => {
    let kills = 0;
    const property = fc.asyncProperty(run, async (given) => {
      const { model, orders } = await carryOut(given, (act, index) => (act.do === "kill" ? 0 : index));
      await settle(model, given.schedule);
      kills += orders.standing.length;
      for (const { order, document } of orders.standing)
        for (const other of [...model.sent, ...model.stored])
          if (supersedes(other, document)) expect(isKilled(other.state, order)).toBe(true);
      const last = model.stored.at(-1);
      for (const { order } of orders.standing) expect(last && isKilled(last.state, order)).toBe(true);
    });
    await fc.assert(property, { numRuns: RUNS });
    expect(kills).toBeGreaterThan(RUNS / 5);
  },
  PATIENT_MS,
);

test(
  "with any concurrent kills, in the end all controllers agree, and every kill of a remaining controller is in force",
  async () => {
    let kills = 0;
    const property = fc.asyncProperty(run, async (given) => {
      const { model, orders } = await carryOut(given);
      await settle(model, given.schedule);
      const alive = model.controllers.filter(({ isAlive }) => isAlive);
      const last = model.stored.at(-1);
      for (const { plane } of alive) expect(plane.current).toEqual(last);
      for (const { plane } of alive) expect(plane.unstoredKills).toBe(0);
      const standing = orders.standing.filter((it) => it.by.isAlive && !orders.isReleasedWithItsTwin(it));
      for (const { order } of standing) expect(last && isKilled(last.state, order)).toBe(true);
      kills += standing.length;
    });
    await fc.assert(property, { numRuns: RUNS });
    expect(kills).toBeGreaterThan(RUNS / 5);
  },
  PATIENT_MS,
);

test(
  "no share comes back once another one is stored, and generations rise",
  async () => {
    let changes = 0;
    const property = fc.asyncProperty(run, async (given) => {
      const { model } = await carryOut(given);
      await settle(model, given.schedule);
      const shares = model.stored.map(shareOf).filter((it, n, all) => n === 0 || it !== all[n - 1]);
      expect(new Set(shares).size).toBe(shares.length);
      const generations = model.stored.map(({ state }) => state.generation);
      expect(generations).toEqual([...new Set(generations)].toSorted((a, b) => a - b));
      changes += shares.length - 1;
    });
    await fc.assert(property, { numRuns: RUNS });
    expect(changes).toBeGreaterThan(RUNS / 5);
  },
  PATIENT_MS,
);

test("a kill is ahead of the time, and of a kill just before it", () => {
  const [state, nowMs] = [firstState("dev", []), 1_800_000_000_000];
  const first = nextDocument(state, { previous: 1, after: { generation: 1 }, nowMs, ahead: KILL_AHEAD });
  expect(first.generation).toBe(nowMs + KILL_AHEAD.ms);
  const previous = first.generation;
  const second = nextDocument(state, {
    previous,
    after: { generation: 1 },
    nowMs: nowMs + 1,
    ahead: KILL_AHEAD,
  });
  expect(second.generation).toBe(previous + 1 + KILL_AHEAD.generations);
});

test("a kill that another controller has stored and released is not engaged again by its sender, whose store is away", async () => {
  const sent: ControlDocument[] = [];
  const stored: ControlDocument[] = [];
  const planeOn = (store: Pick<ControlStore, "read" | "write">): SignedControlPlane =>
    new SignedControlPlane({
      ...{ identity, env: "dev", providers: ["openai"], log: collectLogs().log },
      audit: { append: () => undefined },
      store: { ...store, watch: () => ({ [Symbol.asyncDispose]: async () => undefined }) },
      clock: { now: () => 1_800_000_000_000, monotonic: () => 0 },
      send: (document) => sent.push(document),
    });
  const never = () => new Promise<never>(() => undefined);
  const cutOff = planeOn({ read: never, write: never });
  const other = planeOn({
    read: async () => {
      const document = stored.at(-1);
      return document && { document, revision: stored.length };
    },
    write: async (document) => stored.push(document),
  });
  const admin = { by: "admin", reason: "over" };
  await cutOff.kill({ cause: "integrity" }, { by: "alert", reason: "nonce reuse" });
  for (const document of sent.splice(0)) other.offer(document);
  await other.reconcile();
  expect(stored.at(-1)?.state.kill_switch.all).not.toBeNull();
  // Not yet: a received document is not known to be stored.
  expect(cutOff.unstoredKills).toBe(1);
  await other.change(releaseKill, admin);
  for (const document of sent.splice(0)) cutOff.offer(document);
  expect(cutOff.current?.state.kill_switch.all).toBeNull();
  expect([cutOff.unstoredKills, sent]).toEqual([0, []]);
});

test("a kill that another document supersedes is sent again at once, without waiting for the store", async () => {
  const sent: ControlDocument[] = [];
  const never = () => new Promise<never>(() => undefined);
  const plane = new SignedControlPlane({
    ...{
      identity,
      env: "dev",
      providers: ["openai"],
      log: collectLogs().log,
      audit: { append: () => undefined },
    },
    store: { read: never, write: never, watch: () => ({ [Symbol.asyncDispose]: async () => undefined }) },
    clock: { now: () => 1_800_000_000_000, monotonic: () => 0 },
    send: (document) => sent.push(document),
  });
  await plane.kill({ cause: "integrity" }, { by: "alert", reason: "nonce reuse" });
  const generation = (sent[0]?.state.generation ?? 0) + 10;
  plane.offer(signControl({ ...firstState("dev", ["openai"]), generation }, identity));
  expect(sent).toHaveLength(2);
  expect(sent[1]?.state.generation).toBeGreaterThan(generation);
  expect(sent[1]?.state.kill_switch).toEqual(sent[0]?.state.kill_switch);
});
