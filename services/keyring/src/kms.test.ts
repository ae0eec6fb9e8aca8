import { createSecretKey, randomBytes } from "node:crypto";
import { ScbeError } from "@scbe/contracts";
import { expect, test } from "vitest";
import { localKms } from "./edge/local-kms.ts";
import { encryptionContext, type Kms, timedKms, watchKms } from "./kms.ts";

test("a data key is bound to the product, its environment and its kid", () => {
  expect(encryptionContext("staging", "k1")).toEqual({ app: "scbe", env: "staging", kid: "k1" });
});

/** A KMS with injected failures, on a manual clock. */
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

test("a KMS that answers is healthy, and called every time", async () => {
  const { state, kms } = setUp();
  await kms.generate("k1");
  await kms.unwrap(copy);
  expect([state.calls, kms.health]).toEqual([2, { ok: true }]);
});

test("a KMS that is away is called again only after a pause, which grows", async () => {
  const { state, kms } = setUp();
  state.failure = away;
  const calledAt: number[] = [];
  for (; state.now < 40_000; state.now += 50) {
    const before = state.calls;
    await expect(kms.unwrap(copy)).rejects.toMatchObject({ code: "NOT_READY", message: away.message });
    if (state.calls > before) calledAt.push(state.now);
  }
  expect(calledAt).toEqual([0, 250, 750, 1750, 3750, 7750, 15_750, 30_750]);
  expect(kms.health).toEqual({ ok: false, reason: away.message });
});

test("a KMS that is back is called at once, and a later outage begins with a short pause", async () => {
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

test("a KMS that refuses a copy is healthy, because it did answer", async () => {
  const { state, kms } = setUp();
  state.failure = new ScbeError("FORBIDDEN", "KMS refuses this copy");
  await expect(kms.unwrap(copy)).rejects.toBe(state.failure);
  await expect(kms.unwrap(copy)).rejects.toBe(state.failure);
  expect([state.calls, kms.health]).toEqual([2, { ok: true }]);
});

test("the text of a foreign error is not shown", async () => {
  const { state, kms } = setUp();
  state.failure = new Error("socket 10.0.0.1 hung up");
  await kms.unwrap(copy).catch(() => undefined);
  expect(kms.health).toEqual({ ok: false, reason: "KMS is away" });
});

test("disposal disposes of the KMS", () => {
  const { state, kms } = setUp();
  kms[Symbol.dispose]();
  expect(state.disposed).toBe(true);
});

/** A timed KMS whose calls take two seconds each. */
function setUpTimed(kms: Kms = localKms(createSecretKey(randomBytes(32)), "dev")) {
  let nowMs = 0;
  const clock = { now: () => nowMs, monotonic: () => (nowMs += 2000) };
  const calls: [string, string, number][] = [];
  const timed = timedKms(kms, clock, { kmsCalled: (...call) => void calls.push(call) });
  return { timed, calls };
}

test("a call that succeeds is counted as ok, and timed", async () => {
  const { timed, calls } = setUpTimed();
  const { wrapped, keyArn, plaintext } = await timed.generate("k1");
  expect(Buffer.from(await timed.unwrap({ kid: "k1", wrapped, keyArn })).equals(plaintext)).toBe(true);
  expect(calls).toEqual([
    ["generate", "ok", 2],
    ["unwrap", "ok", 2],
  ]);
});

test("a copy that KMS does not unwrap is counted as refused, not as failed", async () => {
  const { timed, calls } = setUpTimed();
  const { wrapped, keyArn } = await timed.generate("k1");
  await expect(timed.unwrap({ kid: "k2", wrapped, keyArn })).rejects.toMatchObject({ code: "FORBIDDEN" });
  expect(calls.at(-1)).toEqual(["unwrap", "refused", 2]);
});

test("a call to a KMS that is away is counted as failed, and its error is passed on", async () => {
  const away = new ScbeError("NOT_READY", "KMS is away");
  const fails = (): Promise<never> => Promise.reject(away);
  const { timed, calls } = setUpTimed({ generate: fails, unwrap: fails, [Symbol.dispose]: () => undefined });
  await expect(timed.generate("k1")).rejects.toBe(away);
  expect(calls).toEqual([["generate", "failed", 2]]);
});
