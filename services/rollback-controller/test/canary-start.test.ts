import type { ControlDocument } from "@scbe/envelope/control";
import { systemClock } from "@scbe/runtime";
import { collectLogs, eventually } from "@scbe/testkit";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { canaryMetrics, startCanaries } from "../src/canary/service.ts";
import type { CanaryStore } from "../src/canary/store.ts";
import type { Change } from "../src/ports.ts";
import { evidenceWith } from "./canary-evidence.ts";
import { CanaryWorld, engage, PROVIDER } from "./canary-world.ts";

const ORDER = { provider: PROVIDER, reason: "new release" };
const passing = async () => undefined;

/** The canaries of a leading controller, in a world of their own. */
function begin(tickMs: number, store?: CanaryStore) {
  const world = new CanaryWorld();
  const listeners = new Set<(document: ControlDocument) => void>();
  const plane = {
    get current() {
      return { state: world.state, digest: "", signed: { v: 1 as const, payload: "", signature: "" } };
    },
    change: async (change: Change, actor: { by: string; reason: string }) => {
      const changed = await world.change(change, actor, passing);
      for (const listener of listeners) listener(plane.current);
      return changed;
    },
    onChange: (listener: (document: ControlDocument) => void) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
  const logs = collectLogs();
  const canaries = startCanaries({
    ...{ plane, tickMs, clock: systemClock, log: logs.log, providers: [PROVIDER] },
    ...{ store: store ?? world.store(passing), steps: [5, 25, 50, 100], holdMs: 40 },
    measure: async () => evidenceWith(),
    audit: { append: () => undefined },
    metrics: canaryMetrics(new Registry(), [PROVIDER]),
    isLeading: () => true,
  });
  return { world, plane, canaries, logs, listeners };
}

test("canaries advance by themselves, step by step", async () => {
  const { canaries, world } = begin(10);
  await using _ = canaries;
  await canaries.start(ORDER, "admin");
  await eventually(() => world.canary?.state === "done");
  expect([world.exposure, world.promotions]).toEqual([100, 3]);
});

test("a kill takes effect at once, and not with the next tick", async () => {
  const { canaries, plane, world } = begin(3_600_000);
  await using _ = canaries;
  await canaries.start(ORDER, "admin");
  await plane.change(engage, { by: "alert:SCBEHighLatency", reason: "slow" });
  await eventually(() => world.canary?.state === "aborted");
  expect(world.canary?.by).toBe("canary");
});

test("after disposal no canary advances, and no listener is left", async () => {
  const { canaries, world, listeners } = begin(10);
  await canaries.start(ORDER, "admin");
  await canaries[Symbol.asyncDispose]();
  const before = world.state;
  // Several times the duration of a step.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(world.state).toBe(before);
  expect(listeners.size).toBe(0);
});

test("an unreadable store is logged, and read again in the next pass", async () => {
  let tries = 0;
  const store: CanaryStore = {
    read: async () => {
      tries += 1;
      throw new Error("the store is away");
    },
    write: async () => undefined,
  };
  const { canaries, logs } = begin(10, store);
  await using _ = canaries;
  await eventually(() => tries > 2);
  expect(logs.text).toContain("stay where they are");
});
