import { StandingClock } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WatchedLease } from "./watched-lease.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const LEASE_MS = 1000;

function leasing() {
  const clock = new StandingClock();
  const told: boolean[] = [];
  const lease = new WatchedLease({ clock, leaseMs: LEASE_MS, onChange: (isStale) => told.push(isStale) });
  const pass = (ms: number): void => {
    clock.monotonicMs += ms;
    vi.advanceTimersByTime(ms);
  };
  return { clock, told, lease, pass };
}

test("no lease stands before one was granted", () => {
  const { lease, told } = leasing();
  expect([lease.wasGranted, lease.isStale]).toEqual([false, true]);
  expect(told).toEqual([]);
});

test("a lease ends its time after it was asked for, however late it came", () => {
  const { clock, lease, pass } = leasing();
  const askedAt = clock.monotonic();
  pass(LEASE_MS - 1);
  expect(lease.grant(askedAt)).toBe(true);
  expect(lease.isStale).toBe(false);
  pass(1);
  expect(lease.isStale).toBe(true);
});

test("a lease that comes when its time is over is none", () => {
  const { clock, lease, told, pass } = leasing();
  const askedAt = clock.monotonic();
  pass(LEASE_MS);
  expect(lease.grant(askedAt)).toBe(false);
  expect([lease.wasGranted, lease.isStale]).toEqual([false, true]);
  expect(told).toEqual([]);
});

test("an earlier question's lease, that comes late, does not shorten a later one's", () => {
  const { clock, lease, pass } = leasing();
  const first = clock.monotonic();
  pass(400);
  lease.grant(clock.monotonic());
  lease.grant(first);
  pass(LEASE_MS - 1);
  expect(lease.isStale).toBe(false);
});

test("losing it is told once, and so is its return; renewing is not told", () => {
  const { clock, lease, told, pass } = leasing();
  for (let renewals = 0; renewals < 3; renewals += 1) {
    lease.grant(clock.monotonic());
    pass(LEASE_MS / 2);
  }
  expect(told).toEqual([false]);
  pass(LEASE_MS / 2);
  expect(told).toEqual([false, true]);
  pass(10 * LEASE_MS);
  lease.grant(clock.monotonic());
  expect(told).toEqual([false, true, false]);
});

test("a timer that runs ahead of the clock does not end it", () => {
  const { clock, lease, told } = leasing();
  lease.grant(clock.monotonic());
  clock.monotonicMs += LEASE_MS - 3;
  vi.advanceTimersByTime(LEASE_MS);
  expect(told).toEqual([false]);
  clock.monotonicMs += 3;
  vi.advanceTimersByTime(3);
  expect(told).toEqual([false, true]);
});

test("nothing that the wall clock does changes it", () => {
  const { clock, lease } = leasing();
  lease.grant(clock.monotonic());
  for (const ms of [600_000, -1_200_000]) {
    clock.nowMs += ms;
    expect(lease.isStale).toBe(false);
  }
});
