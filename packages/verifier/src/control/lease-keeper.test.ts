import type { Bus } from "@scbe/bus";
import { type ControlLeaseResult, writeMessage } from "@scbe/contracts";
import { answerLease } from "@scbe/envelope/control";
import { controller, documentOf, StandingClock } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LeaseTime } from "./lease.ts";
import { LeaseKeeper, LeaseRequester, WatchedLease } from "./lease-keeper.ts";

describe("the lease keeper", () => {
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

  test("requests at least twice in the time of a lease, and not much more often", async () => {
    const { keeper, signals, pass } = keeping(() => "granted");
    keeper.askNow();
    await pass(10 * LEASE_MS);
    expect(signals.length).toBeGreaterThanOrEqual(20);
    expect(signals.length).toBeLessThanOrEqual(23);
  });

  test.each(["unanswered", "refused"] as const)(
    "requests sooner after an %s request, then ever later, but never later than usual",
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

  test("aborts the open request when it is to ask now, and the former timer is gone", async () => {
    const { keeper, signals, pass } = keeping(() => new Promise(() => undefined));
    keeper.askNow();
    keeper.askNow();
    await pass(10 * LEASE_MS);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  test("sends no request after disposing", async () => {
    const { keeper, signals, pass } = keeping(() => "granted");
    keeper.askNow();
    await pass(0);
    keeper[Symbol.dispose]();
    keeper.askNow();
    await pass(10 * LEASE_MS);
    expect(signals).toHaveLength(1);
  });
});

describe("a lease request", () => {
  const LEASE_MS = 5000;
  /** Sends one request; the bus, which resends it by itself, has the answer `answeredAtMs` after the first sending. */
  async function requested(answeredAtMs: number) {
    let nowMs = 0;
    const clock = { now: () => 0, monotonic: () => nowMs };
    const document = documentOf();
    const lease = new LeaseTime({ clock, leaseMs: LEASE_MS });
    const bus = {
      user: "gateway-openai",
      request: async (_: string, data: Uint8Array) => {
        nowMs = answeredAtMs;
        const request = JSON.parse(Buffer.from(data).toString("utf8"));
        const answer = writeMessage(answerLease(request, document, controller));
        return { subject: "", reply: undefined, data: answer, header: () => undefined };
      },
    } as Partial<Bus> as Bus;
    const requester = new LeaseRequester({
      ...{ bus, clock, lease, env: "dev", leaseMs: LEASE_MS, fallbackAllowed: false },
      publicKey: controller.publicKey,
      held: () => document,
      offer: () => undefined,
    });
    const result = await requester.ask(new AbortController().signal);
    return {
      result,
      isStaleAt: (ms: number) => {
        nowMs = ms;
        return lease.isStale;
      },
    };
  }

  test("that was sent again: the lease counts from the first sending", async () => {
    const it = await requested(300);
    expect(it.result).toBe("granted");
    expect([LEASE_MS - 1, LEASE_MS].map(it.isStaleAt)).toEqual([false, true]);
    const late = await requested(LEASE_MS);
    expect(late.result).toBe("unanswered");
  });
});

describe("a lease", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const LEASE_MS = 1000;
  function leasing() {
    const clock = new StandingClock();
    const reported: boolean[] = [];
    const lease = new WatchedLease({
      clock,
      leaseMs: LEASE_MS,
      onChange: (isStale) => reported.push(isStale),
    });
    const pass = (ms: number): void => {
      clock.monotonicMs += ms;
      vi.advanceTimersByTime(ms);
    };
    return { clock, reported, lease, pass };
  }

  test("is stale before the first grant", () => {
    const { lease, reported } = leasing();
    expect([lease.wasGranted, lease.isStale]).toEqual([false, true]);
    expect(reported).toEqual([]);
  });

  test("ends its time after its request, however late the answer came", () => {
    const { clock, lease, pass } = leasing();
    const askedAt = clock.monotonic();
    pass(LEASE_MS - 1);
    expect(lease.grant(askedAt)).toBe(true);
    expect(lease.isStale).toBe(false);
    pass(1);
    expect(lease.isStale).toBe(true);
  });

  test("that comes after its time is not granted", () => {
    const { clock, lease, reported, pass } = leasing();
    const askedAt = clock.monotonic();
    pass(LEASE_MS);
    expect(lease.grant(askedAt)).toBe(false);
    expect([lease.wasGranted, lease.isStale]).toEqual([false, true]);
    expect(reported).toEqual([]);
  });

  test("of an earlier request, if it comes late, does not shorten that of a later one", () => {
    const { clock, lease, pass } = leasing();
    const first = clock.monotonic();
    pass(400);
    lease.grant(clock.monotonic());
    lease.grant(first);
    pass(LEASE_MS - 1);
    expect(lease.isStale).toBe(false);
  });

  test("reports its end once and its return once, and no renewal", () => {
    const { clock, lease, reported, pass } = leasing();
    for (let renewals = 0; renewals < 3; renewals += 1) {
      lease.grant(clock.monotonic());
      pass(LEASE_MS / 2);
    }
    expect(reported).toEqual([false]);
    pass(LEASE_MS / 2);
    expect(reported).toEqual([false, true]);
    pass(10 * LEASE_MS);
    lease.grant(clock.monotonic());
    expect(reported).toEqual([false, true, false]);
  });

  test("does not end by a timer that runs ahead of the clock", () => {
    const { clock, lease, reported } = leasing();
    lease.grant(clock.monotonic());
    clock.monotonicMs += LEASE_MS - 3;
    vi.advanceTimersByTime(LEASE_MS);
    expect(reported).toEqual([false]);
    clock.monotonicMs += 3;
    vi.advanceTimersByTime(3);
    expect(reported).toEqual([false, true]);
  });

  test("does not depend on the wall clock", () => {
    const { clock, lease } = leasing();
    lease.grant(clock.monotonic());
    for (const ms of [600_000, -1_200_000]) {
      clock.nowMs += ms;
      expect(lease.isStale).toBe(false);
    }
  });
});
