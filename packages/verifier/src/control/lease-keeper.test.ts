import type { ControlLeaseResult } from "@scbe/contracts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LeaseKeeper } from "./lease-keeper.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const LEASE_MS = 4000;

function keeping(answer: () => ControlLeaseResult | undefined | Promise<ControlLeaseResult | undefined>) {
  const signals: AbortSignal[] = [];
  const keeper = new LeaseKeeper({
    leaseMs: LEASE_MS,
    ask: async (signal) => {
      signals.push(signal);
      return answer();
    },
  });
  return { keeper, signals, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) };
}

test("a lease is asked for at least twice in its time, and not much more often", async () => {
  const { keeper, signals, pass } = keeping(() => "granted");
  keeper.askNow();
  await pass(10 * LEASE_MS);
  expect(signals.length).toBeGreaterThanOrEqual(20);
  expect(signals.length).toBeLessThanOrEqual(23);
});

test.each(["unanswered", "refused"] as const)(
  "after a question that was %s the next one comes sooner, then ever later, never later than usual",
  async (result) => {
    const { keeper, signals, pass } = keeping(() => result);
    keeper.askNow();
    await pass(LEASE_MS / 16);
    expect(signals).toHaveLength(2);
    await pass(20 * LEASE_MS);
    expect(signals.length).toBeGreaterThanOrEqual(40);
    expect(signals.length).toBeLessThanOrEqual(85);
  },
);

test("a question that is told gives up the one on its way, and the timer of the one before is gone", async () => {
  const { keeper, signals, pass } = keeping(() => new Promise(() => undefined));
  keeper.askNow();
  keeper.askNow();
  await pass(10 * LEASE_MS);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
});

test("after disposing nothing is asked any more", async () => {
  const { keeper, signals, pass } = keeping(() => "granted");
  keeper.askNow();
  await pass(0);
  keeper[Symbol.dispose]();
  keeper.askNow();
  await pass(10 * LEASE_MS);
  expect(signals).toHaveLength(1);
});
