import { eventually } from "@scbe/testkit";
import { expect, test } from "vitest";
import { ReconcileLoop } from "./reconcile-loop.ts";

/** Turns that end when they are told to. */
function held() {
  let running = 0;
  const state = { begun: 0, most: 0, finish: (): void => undefined };
  const turn = (): Promise<void> => {
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
  return { state, turn };
}

const NEVER_MS = 1_000_000;

test("nudges in the middle of a turn make one more, after it", async () => {
  const { state, turn } = held();
  const turns = new ReconcileLoop(turn, NEVER_MS);
  turns.nudge();
  for (let nudge = 0; nudge < 5; nudge += 1) turns.nudge();
  expect(state).toMatchObject({ begun: 1, most: 1 });
  state.finish();
  await eventually(() => state.begun === 2);
  state.finish();
  await turns[Symbol.asyncDispose]();
  expect(state).toMatchObject({ begun: 2, most: 1 });
});

test("turns come by themselves, again and again", async () => {
  let count = 0;
  await using _turns = new ReconcileLoop(async () => {
    count += 1;
  }, 5);
  await eventually(() => count >= 3);
});

test("disposing awaits the turn at work, and there is none after it", async () => {
  const { state, turn } = held();
  const turns = new ReconcileLoop(turn, 5);
  turns.nudge();
  turns.nudge();
  let disposed = false;
  const disposing = turns[Symbol.asyncDispose]().then(() => {
    disposed = true;
  });
  await new Promise(setImmediate);
  expect(disposed).toBe(false);
  state.finish();
  await disposing;
  turns.nudge();
  expect(state.begun).toBe(1);
});

test("a turn that is asked for later comes then, once for all who asked, and not after disposal", async () => {
  const { state, turn } = held();
  const turns = new ReconcileLoop(turn, NEVER_MS);
  for (let ask = 0; ask < 5; ask += 1) turns.nudgeIn(5);
  expect(state.begun).toBe(0);
  await eventually(() => state.begun === 1);
  state.finish();
  turns.nudgeIn(5);
  await eventually(() => state.begun === 2);
  state.finish();
  turns.nudgeIn(5);
  await turns[Symbol.asyncDispose]();
  turns.nudgeIn(5);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(state).toMatchObject({ begun: 2, most: 1 });
});
