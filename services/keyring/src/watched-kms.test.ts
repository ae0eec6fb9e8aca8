import { ScbeError } from "@scbe/contracts";
import { expect, test } from "vitest";
import type { Kms } from "./ports.ts";
import { watchKms } from "./watched-kms.ts";

/** A KMS that fails as it is told, on a clock that stands still until it is moved. */
function setUp() {
  const state = { now: 0, calls: 0, failure: undefined as unknown, disposed: false };
  const answer = async <T>(value: T): Promise<T> => {
    state.calls += 1;
    if (state.failure !== undefined) throw state.failure;
    return value;
  };
  const kms: Kms = {
    generate: () => answer({ plaintext: Buffer.alloc(32), wrapped: Buffer.alloc(1), keyArn: "a" }),
    unwrap: () => answer(Buffer.alloc(32)),
    [Symbol.dispose]: () => {
      state.disposed = true;
    },
  };
  const clock = { now: () => state.now, monotonic: () => state.now };
  return { state, kms: watchKms(kms, clock, () => 1) };
}

const away = new ScbeError("NOT_READY", "KMS is away (Timeout)");
const copy = { kid: "k1", wrapped: Buffer.alloc(1), keyArn: "a" };

test("a KMS that answers is healthy, and asked every time", async () => {
  const { state, kms } = setUp();
  await kms.generate("k1");
  await kms.unwrap(copy);
  expect([state.calls, kms.health]).toEqual([2, { ok: true }]);
});

test("a KMS that is away is not asked again before a pause has gone by, which grows", async () => {
  const { state, kms } = setUp();
  state.failure = away;
  const askedAt: number[] = [];
  for (; state.now < 40_000; state.now += 50) {
    const before = state.calls;
    await expect(kms.unwrap(copy)).rejects.toMatchObject({ code: "NOT_READY", message: away.message });
    if (state.calls > before) askedAt.push(state.now);
  }
  expect(askedAt).toEqual([0, 250, 750, 1750, 3750, 7750, 15_750, 30_750]);
  expect(kms.health).toEqual({ ok: false, reason: away.message });
});

test("after it has come back it is asked at once, and a later outage begins with a short pause", async () => {
  const { state, kms } = setUp();
  state.failure = away;
  await kms.unwrap(copy).catch(() => undefined);
  state.now = 250;
  state.failure = undefined;
  await kms.unwrap(copy);
  expect(kms.health).toEqual({ ok: true });
  state.failure = away;
  await kms.generate("k1").catch(() => undefined);
  state.now = 500;
  state.failure = undefined;
  await kms.generate("k1");
  expect(state.calls).toBe(4);
});

test("a KMS that refuses a copy is healthy: it did answer", async () => {
  const { state, kms } = setUp();
  state.failure = new ScbeError("FORBIDDEN", "KMS refuses this copy");
  await expect(kms.unwrap(copy)).rejects.toBe(state.failure);
  await expect(kms.unwrap(copy)).rejects.toBe(state.failure);
  expect([state.calls, kms.health]).toEqual([2, { ok: true }]);
});

test("what is no error of ours is not told to anybody", async () => {
  const { state, kms } = setUp();
  state.failure = new Error("socket 10.0.0.1 hung up");
  await kms.unwrap(copy).catch(() => undefined);
  expect(kms.health).toEqual({ ok: false, reason: "KMS is away" });
});

test("disposing of it disposes of the KMS", () => {
  const { state, kms } = setUp();
  kms[Symbol.dispose]();
  expect(state.disposed).toBe(true);
});
