import { expect, test } from "vitest";
import { ReconnectPause } from "./reconnect-pause.ts";

/** Sleeps as the library does, until it would try `servers` again; how long that took. */
function slept(pause: ReconnectPause, clock: { now: number }, lastTries: readonly number[]): number {
  const from = clock.now;
  for (let turn = 0; turn < 1000; turn += 1) {
    const lastTry = lastTries[turn % lastTries.length] ?? 0;
    const wait = pause.waitMs();
    if (lastTry + wait <= clock.now) return clock.now - from;
    const part = Math.min(wait, lastTry + wait - clock.now);
    expect(part).toBeLessThanOrEqual(1500);
    clock.now += part;
  }
  throw new Error("it never tries again");
}

test.each([0, 0.999])("pauses grow to 15 to 30 s while the user is refused (random: %d)", (random) => {
  const clock = { now: 5000 };
  const pause = new ReconnectPause(
    () => clock.now,
    () => random,
  );
  const pauses = Array.from({ length: 9 }, () => {
    pause.tries("a");
    const triedAt = clock.now;
    pause.refused();
    return slept(pause, clock, [triedAt]);
  });
  const share = random === 0 ? 0.5 : 1;
  const expected = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000].map((ms) => ms * share);
  for (const [index, ms] of expected.entries()) {
    expect(Math.abs((pauses[index] ?? 0) - ms)).toBeLessThanOrEqual(ms * 0.01 + 250);
  }
});

test("all servers of a cluster are spared during a pause, however long ago each was tried", () => {
  const clock = { now: 0 };
  const pause = new ReconnectPause(
    () => clock.now,
    () => 1,
  );
  for (let round = 0; round < 6; round += 1) pause.refused();
  pause.tries("a");
  clock.now = 400;
  pause.tries("b");
  clock.now = 800;
  pause.refused();
  expect(slept(pause, clock, [0, 400])).toBeGreaterThan(29_000);
});

test("plain losses are followed by a try within half a second, also after refusals", () => {
  const clock = { now: 0 };
  const pause = new ReconnectPause(
    () => clock.now,
    () => 1,
  );
  pause.tries("a");
  expect(slept(pause, clock, [0])).toBeLessThanOrEqual(500);
  for (let times = 0; times < 8; times += 1) pause.refused();
  pause.tries("a");
  expect(slept(pause, clock, [clock.now])).toBeLessThanOrEqual(500);
});

test("pauses begin anew once the connection was back", () => {
  const clock = { now: 0 };
  const pause = new ReconnectPause(
    () => clock.now,
    () => 1,
  );
  for (let times = 0; times < 8; times += 1) pause.refused();
  pause.ends();
  pause.tries("a");
  pause.refused();
  expect(slept(pause, clock, [0])).toBeLessThanOrEqual(1000);
});
