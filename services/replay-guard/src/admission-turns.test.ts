import { systemClock } from "@scbe/runtime";
import { expect, test } from "vitest";
import { ReconcileLoop } from "./admission-turns.ts";

/** Turns that a test ends by hand. */
function heldTurns(gapMs = 0) {
  const started: PromiseWithResolvers<void>[] = [];
  const turn = (): Promise<void> => {
    const held = Promise.withResolvers<void>();
    started.push(held);
    return held.promise;
  };
  const turns = new ReconcileLoop({ turn, clock: systemClock, everyMs: 60_000, gapMs });
  return { turns, started, end: (index: number) => started[index]?.resolve() };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("who asks while a turn is at work waits for the next one, and all of them for the same", async () => {
  const { turns, started, end } = heldTurns();
  const first = turns.next();
  const [second, third] = [turns.next(), turns.next()];
  await settle();
  expect(second).toBe(third);
  expect(started).toHaveLength(1);
  const fourth = turns.next();
  end(0);
  await first;
  await settle();
  expect(started).toHaveLength(2);
  end(1);
  await fourth;
  expect(started).toHaveLength(2);
  await turns[Symbol.asyncDispose]();
});

test("a turn that began of late is recent enough, the one at work is joined, and an old one is taken anew", async () => {
  const { turns, started, end } = heldTurns();
  const first = turns.recent(1000);
  await settle();
  const joined = turns.recent(1000);
  end(0);
  await Promise.all([first, joined]);
  await turns.recent(1000);
  expect(started).toHaveLength(1);
  const anew = turns.recent(-1);
  await settle();
  expect(started).toHaveLength(2);
  end(1);
  await anew;
  await turns[Symbol.asyncDispose]();
});

test("however many ask, turns keep their distance", async () => {
  const { turns, started, end } = heldTurns(60);
  const first = turns.next();
  await settle();
  end(0);
  await first;
  const asked = performance.now();
  const second = turns.next();
  while (started.length < 2) await settle();
  expect(performance.now() - asked).toBeGreaterThan(40);
  end(1);
  await second;
  await turns[Symbol.asyncDispose]();
});

test("after disposal there is no turn, and nobody waits for one", async () => {
  const { turns, started } = heldTurns(10_000);
  void turns.recent(0);
  await settle();
  started[0]?.resolve();
  await settle();
  const waiting = turns.next();
  await turns[Symbol.asyncDispose]();
  await waiting;
  await turns.next();
  expect(started).toHaveLength(1);
});
