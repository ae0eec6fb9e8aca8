import { ScbeError } from "@scbe/contracts";
import { collectLogs } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type KnownVerifier, type KnownVerifiers, NOTHING_HEARD } from "./known-verifiers.ts";
import { type StoredVerifiers, VerifierKeeper, type VerifiersStore } from "./verifier-keeper.ts";

const MINUTE = 60_000;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_796_092_873_965 });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A keeper with a store and a table that the test sets. */
function startKeeper() {
  let leading = false;
  let heard: KnownVerifier[] = [];
  let stored: { known: KnownVerifiers; revision: number | undefined; isReadable: boolean } = {
    ...{ known: NOTHING_HEARD, revision: undefined, isReadable: true },
  };
  const recalled: KnownVerifiers[] = [];
  const written: { readonly at: number; readonly known: KnownVerifiers }[] = [];
  const mended: string[] = [];
  const listeners = new Set<(leading: boolean) => void>();
  let failure: ScbeError | undefined;
  let held: Promise<void> = Promise.resolve();
  const store: VerifiersStore = {
    read: async (): Promise<StoredVerifiers> => {
      const seen = stored;
      await held;
      if (failure !== undefined) throw failure;
      return seen;
    },
    write: async (known, revision) => {
      if (failure !== undefined) throw failure;
      if (revision !== stored.revision) return undefined;
      stored = { known, revision: (revision ?? 0) + 1, isReadable: true };
      written.push({ at: performance.now(), known });
      return stored.revision;
    },
  };
  const notes = new Map<string, string | undefined>();
  const keeper = new VerifierKeeper({
    ...{ store, log: collectLogs().log, isLeaseUser: (user) => user !== "gone" },
    verifiers: {
      known: () => ({ heard, more: new Map() }),
      recall: (known) => recalled.push(known),
    },
    leadership: {
      get leading() {
        return leading;
      },
      onChange: (listener) => {
        listeners.add(listener);
        return { [Symbol.dispose]: () => void listeners.delete(listener) };
      },
    },
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    readiness: { set: (name, state) => notes.set(name, state.ok ? state.note : state.reason) },
    onMended: (into) => mended.push(into),
  });
  return {
    ...{ keeper, recalled, written, mended },
    note: () => [...notes.values()][0],
    lead: (now: boolean) => {
      leading = now;
      for (const listener of listeners) listener(now);
    },
    hear: (...its: KnownVerifier[]) => {
      heard = its;
    },
    put: (known: KnownVerifiers, isReadable = true) => {
      stored = { known, revision: (stored.revision ?? 0) + 1, isReadable };
    },
    fail: (error: ScbeError | undefined) => {
      failure = error;
    },
    hold: (until: Promise<void>) => {
      held = until;
    },
    stored: () => stored.known,
    [Symbol.asyncDispose]: () => keeper[Symbol.asyncDispose](),
  };
}

const one = (user = "a"): KnownVerifier => ({
  ...{ user, verifier: crypto.randomUUID(), heardAt: Date.now(), fallback: false },
});
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("a controller that stands by", () => {
  test("neither reads nor writes", async () => {
    await using it = startKeeper();
    it.hear(one());
    await pass(5 * MINUTE);
    expect([it.recalled, it.written, it.note()]).toEqual([[], [], undefined]);
  });
});

describe("a controller that leads", () => {
  test("reads before it writes, keeps only the deployment's users, and then recalls", async () => {
    await using it = startKeeper();
    const [known, gone] = [one(), one("gone")];
    it.put({ ...NOTHING_HEARD, heard: [known, gone], more: new Map([["gone", 1]]) });
    it.lead(true);
    expect(it.keeper.recalls).toBe(false);
    await pass(1);
    expect([it.keeper.recalls, it.recalled]).toEqual([true, [{ ...NOTHING_HEARD, heard: [known] }]]);
  });

  test("reads again each time it begins to lead, and drops a read that began before", async () => {
    await using it = startKeeper();
    const { promise, resolve } = Promise.withResolvers<void>();
    it.hold(promise);
    it.lead(true);
    await pass(1);
    it.lead(false);
    const known = { ...NOTHING_HEARD, heard: [one()] };
    it.put(known);
    it.lead(true);
    resolve();
    await pass(1);
    expect(it.recalled).toEqual([known]);
  });

  test("writes when a verifier comes or goes, at most once a second after a burst", async () => {
    await using it = startKeeper();
    it.lead(true);
    await pass(1);
    for (let n = 0; n < 100; n += 1) {
      it.hear(one(), one());
      await pass(100);
    }
    expect(it.written.length).toBeGreaterThan(8);
    expect(it.written.length).toBeLessThanOrEqual(3 + 10);
    it.hear();
    await pass(2000);
    expect(it.stored().heard).toEqual([]);
  });

  test("writes soon after a nudge, not within the call, and within the same rate", async () => {
    await using it = startKeeper();
    it.lead(true);
    await pass(100);
    it.hear(one());
    it.keeper.nudge();
    expect(it.written).toEqual([]);
    await pass(2);
    expect(it.written).toHaveLength(1);
    for (let n = 0; n < 5000; n += 1) {
      it.hear(one());
      it.keeper.nudge();
      await pass(1);
    }
    expect(it.written.length).toBeLessThanOrEqual(3 + 6);
  });

  test("writes only new times once a minute, while verifiers are heard", async () => {
    await using it = startKeeper();
    const verifier = one();
    it.hear(verifier);
    it.lead(true);
    await pass(3000);
    const first = it.written.length;
    for (let n = 0; n < 300; n += 1) {
      it.hear({ ...verifier, heardAt: Date.now() });
      await pass(1000);
    }
    expect(it.written.length - first).toBeGreaterThanOrEqual(4);
    expect(it.written.length - first).toBeLessThanOrEqual(5);
    const heardAt = it.stored().heard[0]?.heardAt ?? 0;
    expect(Date.now() - heardAt).toBeLessThanOrEqual(61_000);
    const before = it.written.length;
    await pass(8 * MINUTE);
    expect(it.written.length - before).toBeLessThanOrEqual(1);
  });

  test("recalls what another controller wrote meanwhile", async () => {
    await using it = startKeeper();
    it.lead(true);
    await pass(1);
    const theirs = one("b");
    it.put({ ...NOTHING_HEARD, heard: [theirs] });
    it.hear(one());
    await pass(2500);
    expect(it.recalled.at(-1)?.heard).toEqual([theirs]);
    expect(it.stored().heard).toHaveLength(1);
  });

  test("that cannot read notes it, tries each second, and recalls after a read or once all would be forgotten", async () => {
    await using it = startKeeper();
    it.fail(new ScbeError("TIMEOUT", "no answer"));
    it.lead(true);
    await pass(9 * MINUTE);
    expect(it.keeper.recalls).toBe(false);
    expect(it.note()).toMatch(/^TIMEOUT: no answer: .*no kill is confirmed/);
    await pass(1.1 * MINUTE);
    expect(it.keeper.recalls).toBe(true);
    expect(it.note()).not.toContain("no kill is confirmed");
    it.fail(undefined);
    await pass(1000);
    expect([it.keeper.recalls, it.note(), it.recalled.length]).toEqual([true, undefined, 1]);
  });

  test("that cannot write notes it, still recalls, and writes when it can", async () => {
    await using it = startKeeper();
    it.lead(true);
    await pass(1);
    it.fail(new ScbeError("DISCONNECTED", "away"));
    it.hear(one());
    await pass(5000);
    expect([it.keeper.recalls, it.note()]).toEqual([
      true,
      expect.stringMatching(/^DISCONNECTED: away: the next controller to lead may not know of them$/),
    ]);
    it.fail(undefined);
    await pass(2000);
    expect([it.stored().heard.length, it.note()]).toEqual([1, undefined]);
  });

  test("replaces an unreadable value at once, and marks for ten minutes that verifiers may be missing", async () => {
    await using it = startKeeper();
    const former = one();
    it.put({ ...NOTHING_HEARD, heard: [former] }, false);
    it.hear(former);
    const lostAt = Date.now();
    it.lead(true);
    await pass(1);
    expect(it.mended).toEqual(["those that were heard before, 1 verifiers"]);
    expect(it.stored()).toEqual({ heard: [former], more: new Map(), lostAt: expect.closeTo(lostAt, -2) });
    expect(it.keeper.recalls).toBe(false);
    await pass(10.1 * MINUTE);
    expect([it.keeper.recalls, it.stored().lostAt]).toEqual([true, undefined]);
  });

  test("takes over the mark of its predecessor for the rest of the ten minutes", async () => {
    await using it = startKeeper();
    it.put({ ...NOTHING_HEARD, lostAt: Date.now() - 9 * MINUTE });
    it.lead(true);
    await pass(0.9 * MINUTE);
    expect(it.keeper.recalls).toBe(false);
    await pass(0.2 * MINUTE);
    expect(it.keeper.recalls).toBe(true);
  });
});

describe("a controller that stops", () => {
  test("writes the verifiers of its last second", async () => {
    const it = startKeeper();
    it.lead(true);
    await pass(1);
    it.hear(one());
    await it[Symbol.asyncDispose]();
    expect(it.stored().heard).toHaveLength(1);
  });

  test("waits half a second at most for a store that does not answer", async () => {
    const it = startKeeper();
    it.hold(new Promise(() => undefined));
    it.lead(true);
    await pass(1);
    const stopped = it[Symbol.asyncDispose]().then(() => "stopped");
    await pass(501);
    expect(await stopped).toBe("stopped");
  });
});
