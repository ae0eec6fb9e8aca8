import { eventually } from "@scbe/testkit";
import { describe, expect, test } from "vitest";
import { ReconcileLoop } from "./reconcile-loop.ts";

const NEVER_MS = 1_000_000;

const immediate = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a loop that is nudged", () => {
  /** Passes that end when the test says so. */
  function heldPasses() {
    let running = 0;
    const state = { begun: 0, most: 0, finish: (): void => undefined };
    const pass = (): Promise<void> => {
      state.begun += 1;
      running += 1;
      state.most = Math.max(state.most, running);
      return new Promise((resolve) => {
        state.finish = () => {
          running -= 1;
          resolve();
        };
      });
    };
    return { state, pass };
  }

  test("makes one more pass after the current one for all nudges during it", async () => {
    const { state, pass } = heldPasses();
    const loop = new ReconcileLoop(pass, NEVER_MS);
    loop.nudge();
    for (let nudge = 0; nudge < 5; nudge += 1) loop.nudge();
    expect(state).toMatchObject({ begun: 1, most: 1 });
    state.finish();
    await eventually(() => state.begun === 2);
    state.finish();
    await loop[Symbol.asyncDispose]();
    expect(state).toMatchObject({ begun: 2, most: 1 });
  });

  test("makes passes by itself, again and again", async () => {
    let count = 0;
    await using _loop = new ReconcileLoop(async () => {
      count += 1;
    }, 5);
    await eventually(() => count >= 3);
  });

  test("awaits the current pass when it is disposed of, and starts none after it", async () => {
    const { state, pass } = heldPasses();
    const loop = new ReconcileLoop(pass, 5);
    loop.nudge();
    loop.nudge();
    let disposed = false;
    const disposing = loop[Symbol.asyncDispose]().then(() => {
      disposed = true;
    });
    await new Promise(setImmediate);
    expect(disposed).toBe(false);
    state.finish();
    await disposing;
    loop.nudge();
    expect(state.begun).toBe(1);
  });

  test("makes a scheduled pass at its time, once for all requests, and not after disposal", async () => {
    const { state, pass } = heldPasses();
    const loop = new ReconcileLoop(pass, NEVER_MS);
    for (let request = 0; request < 5; request += 1) loop.nudgeIn(5);
    expect(state.begun).toBe(0);
    await eventually(() => state.begun === 1);
    state.finish();
    loop.nudgeIn(5);
    await eventually(() => state.begun === 2);
    state.finish();
    loop.nudgeIn(5);
    await loop[Symbol.asyncDispose]();
    loop.nudgeIn(5);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(state).toMatchObject({ begun: 2, most: 1 });
  });
});

describe("a loop whose passes are awaited", () => {
  /** Passes that the test ends one by one. */
  function heldPasses(gapMs = 0) {
    const started: PromiseWithResolvers<void>[] = [];
    const pass = (): Promise<void> => {
      const held = Promise.withResolvers<void>();
      started.push(held);
      return held.promise;
    };
    const loop = new ReconcileLoop(pass, 60_000, { gapMs });
    return { loop, started, end: (index: number) => started[index]?.resolve() };
  }

  test("has all requests during a pass wait for the same next pass", async () => {
    const { loop, started, end } = heldPasses();
    const first = loop.next();
    const [second, third] = [loop.next(), loop.next()];
    await immediate();
    expect(second).toBe(third);
    expect(started).toHaveLength(1);
    const fourth = loop.next();
    end(0);
    await first;
    await immediate();
    expect(started).toHaveLength(2);
    end(1);
    await fourth;
    expect(started).toHaveLength(2);
    await loop[Symbol.asyncDispose]();
  });

  test("takes a recent pass as recent enough, joins the current one, and repeats an old one", async () => {
    const { loop, started, end } = heldPasses();
    const first = loop.recent(1000);
    await immediate();
    const joined = loop.recent(1000);
    end(0);
    await Promise.all([first, joined]);
    await loop.recent(1000);
    expect(started).toHaveLength(1);
    const repeated = loop.recent(-1);
    await immediate();
    expect(started).toHaveLength(2);
    end(1);
    await repeated;
    await loop[Symbol.asyncDispose]();
  });

  test("keeps the gap between the starts of passes, however many requests there are", async () => {
    const { loop, started, end } = heldPasses(60);
    const first = loop.next();
    await immediate();
    end(0);
    await first;
    const requested = performance.now();
    const second = loop.next();
    while (started.length < 2) await immediate();
    expect(performance.now() - requested).toBeGreaterThan(40);
    end(1);
    await second;
    await loop[Symbol.asyncDispose]();
  });

  test("starts no pass after disposal, and leaves no request waiting", async () => {
    const { loop, started } = heldPasses(10_000);
    void loop.recent(0);
    await immediate();
    started[0]?.resolve();
    await immediate();
    const waiting = loop.next();
    await loop[Symbol.asyncDispose]();
    await waiting;
    await loop.next();
    expect(started).toHaveLength(1);
  });
});
