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

/** Wall time is frozen, so that envelopes stay fresh; the measured time is real. */
class RealMonotonic extends TestClock {
  override monotonic(): number {
    return performance.now();
  }
}

const SESSION = session("request");
let counter = 0;

/** Refused requests by reason, from the first length check to the guard's verdict: each is a fresh one. */
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

/** For each class, in random order: the time from arrival to the decision, and to the end of the noise floor. */
async function measure(): Promise<Record<"decided" | "due", ReadonlyMap<string, number[]>>> {
  const guard = new TestGuard(async (): Promise<AdmitVerdict> => {
    await new Promise((resolve) => setImmediate(resolve));
    return "replay";
  });
  const { opener } = newOpener({ clock: new RealMonotonic(), guard, noiseFloorMs: FLOOR_MS });
  const [decided, due] = [samplesOfEach(), samplesOfEach()];
  for (let round = 0; round < WARM_UP + SAMPLES_PER_CLASS; round += 1) {
    for (const [name, make] of shuffled(Object.entries(CLASSES))) {
      const envelope = make();
      const arrivedAt = performance.now();
      const opening = await opener.openRequest(envelope, { provider: "openai", arrivedAt });
      const tookMs = performance.now() - arrivedAt;
      if (opening.ok) throw new Error("a bad envelope was opened");
      if (round < WARM_UP) continue;
      decided.get(name)?.push(tookMs);
      due.get(name)?.push(opening.noise.notBefore - arrivedAt);
    }
  }
  return { decided, due };
}

function samplesOfEach(): Map<string, number[]> {
  return new Map(Object.keys(CLASSES).map((name) => [name, []]));
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

test("the time of a decision differs by reason; the time of its noise does not", async () => {
  const { decided, due } = await measure();
  expect(bestSeparated(decided).t).toBeGreaterThan(GATE);
  for (const [name, samples] of due)
    for (const sample of samples) expect(sample, name).toBeCloseTo(FLOOR_MS, 6);
});
