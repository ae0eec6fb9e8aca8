import type { AdmitVerdict } from "@scbe/contracts";
import { expect, test } from "vitest";
import { craft, NOW_MS, session } from "./craft.ts";
import { newOpener, TestClock, TestGuard } from "./fixtures.ts";
import { bestSeparated } from "./welch.ts";

const SAMPLES_PER_CLASS = 60;
const WARM_UP = 10;
const GATE = 5;
const FLOOR_MS = 10;
const BODY = Buffer.alloc(1024, 1);

/** Wall time stands, so that envelopes stay fresh; what is measured is real. */
class RealMonotonic extends TestClock {
  override monotonic(): number {
    return performance.now();
  }
}

const SESSION = session("request");
let counter = 0;

/** Why requests are refused, from the first look at their length to the guard's word: each a fresh one. */
const CLASSES: Readonly<Record<string, () => Buffer>> = {
  malformed: () => craft(SESSION, { ...next(), write: (text) => text.slice(1) }),
  stale: () => craft(SESSION, { ...next(), header: { ts: NOW_MS - 600_000 } }),
  "unknown kid": () => craft(SESSION, { ...next(), header: { kid: "k2" } }),
  "bad commitment": () => craft(session("request", { ikm: Buffer.alloc(32, 1) }), { body: BODY }),
  "bad tag": () => craft({ ...SESSION, key: Buffer.alloc(32, 1) }, next()),
  replay: () => craft(SESSION, next()),
};

function next() {
  counter += 1;
  return { counter, body: BODY };
}

/** The time from arrival to answer, class by class, one request after the other in a random order. */
async function measure(noiseFloorMs: number): Promise<ReadonlyMap<string, number[]>> {
  const guard = new TestGuard(async (): Promise<AdmitVerdict> => {
    await new Promise((resolve) => setImmediate(resolve));
    return "replay";
  });
  const { opener } = newOpener({ clock: new RealMonotonic(), guard, noiseFloorMs });
  const samples = new Map(Object.keys(CLASSES).map((name) => [name, [] as number[]]));
  for (let round = 0; round < WARM_UP + SAMPLES_PER_CLASS; round += 1) {
    for (const [name, make] of shuffled(Object.entries(CLASSES))) {
      const envelope = make();
      const arrivedAt = performance.now();
      const opening = await opener.openRequest(envelope, { provider: "openai", arrivedAt });
      const tookMs = performance.now() - arrivedAt;
      expect(opening.ok).toBe(false);
      if (round >= WARM_UP) samples.get(name)?.push(tookMs);
    }
  }
  return samples;
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

test("the time to a refusal does not tell why: Welch's t stays below 5 between any two reasons", async () => {
  const { t, between } = bestSeparated(await measure(FLOOR_MS));
  expect(t, between).toBeLessThan(GATE);
});

test("a refusal that took some work comes at the floor itself, not at the floor and that work later", async () => {
  const workMs = 0.6;
  const guard = new TestGuard((): AdmitVerdict => {
    const until = performance.now() + workMs;
    while (performance.now() < until);
    return "replay";
  });
  const { opener } = newOpener({ clock: new RealMonotonic(), guard, noiseFloorMs: FLOOR_MS });
  const took: number[] = [];
  for (let index = 0; index < 40; index += 1) {
    const arrivedAt = performance.now();
    await opener.openRequest(CLASSES.replay?.() ?? Buffer.alloc(0), { provider: "openai", arrivedAt });
    took.push(performance.now() - arrivedAt);
  }
  // The machine delays some; it hastens none.
  expect(Math.min(...took)).toBeGreaterThanOrEqual(FLOOR_MS);
  expect(Math.min(...took)).toBeLessThan(FLOOR_MS + workMs / 2);
});

test("the same gate tells reasons apart where the floor is taken away", async () => {
  const { t } = bestSeparated(await measure(0));
  expect(t).toBeGreaterThan(GATE);
});
