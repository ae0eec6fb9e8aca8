import { isName, RING_KEYS_MAX } from "@scbe/contracts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { DECRYPT_ONLY_MAX_MS, decryptOnly, ringKey, ringOf, T } from "../../test/rings.ts";
import { decodeRing, encodeRing } from "./ring.ts";
import { addFirstKey, expire, newKid, nextGeneration, nextStep } from "./ring-steps.ts";

const at = { nowMs: T, decryptOnlyMaxMs: DECRYPT_ONLY_MAX_MS };
const ring = ringOf([ringKey()]);
const newer = ringOf([ringKey({ kid: "k2" })], { generation: 8 });
const ended = ringOf([ringKey(), decryptOnly(T - DECRYPT_ONLY_MAX_MS)]);
const inactive = ringOf([decryptOnly(T)]);

test.each([
  ["on an empty bucket the first key is made", undefined, undefined, { do: "create", onto: undefined }],
  ["a stored ring is adopted", ring, undefined, { do: "adopt", ring }],
  ["a newer ring is adopted", newer, ring, { do: "adopt", ring: newer }],
  ["the same ring in memory and in KV is left alone", ring, ring, { do: "nothing" }],
  ["the ring is restored to an emptied bucket", undefined, ring, { do: "write", ring, why: "restore" }],
  [
    "the newer ring is restored to a bucket that was rolled back",
    ring,
    newer,
    { do: "write", ring: newer, why: "restore" },
  ],
  ["a ring without an active key gets a new one", inactive, inactive, { do: "create", onto: inactive }],
])("%s", (_case, stored, held, step) => {
  expect(nextStep(stored, held, at)).toEqual(step);
});

test("a key that has reached its end is retired once the stored ring is the one in memory", () => {
  expect(nextStep(ended, undefined, at)).toEqual({ do: "adopt", ring: ended });
  const step = nextStep(ended, ended, at);
  expect(step).toMatchObject({ do: "write", why: "expire", ring: { generation: T } });
  expect(step.do === "write" && step.ring.keys.map(({ state }) => state)).toEqual(["active", "retired"]);
});

test("an active key at its end is retired first, and replaced in the next step", () => {
  const over = ringOf([ringKey({ not_after: T })]);
  const retired = nextStep(over, over, at);
  if (retired.do !== "write") throw new Error(`the step was to ${retired.do}`);
  expect(nextStep(retired.ring, retired.ring, at)).toEqual({ do: "create", onto: retired.ring });
});

test("a stored ring of the same generation is not adopted, whatever it holds", () => {
  const same = ringOf([ringKey({ kid: "other" })]);
  expect(nextStep(same, ring, at)).toEqual({ do: "nothing" });
});

const END = T + DECRYPT_ONLY_MAX_MS;

test("a ring in which nothing has ended is the same ring", () => {
  const ring = ringOf([ringKey(), decryptOnly(T), ringKey({ kid: "gone", state: "retired", wrapped: null })]);
  expect(expire(ring, END - 1, DECRYPT_ONLY_MAX_MS)).toBe(ring);
});

test("a key that has reached its end is retired and loses its wrapped copy, in a higher generation", () => {
  const ring = ringOf([ringKey(), decryptOnly(T)]);
  const expired = expire(ring, END, DECRYPT_ONLY_MAX_MS);
  expect(expired.generation).toBe(END);
  expect(expired.keys).toEqual([
    ringKey(),
    ringKey({ kid: "k0", state: "retired", since: END, not_after: null, wrapped: null }),
  ]);
  expect(ring.keys[1]?.state).toBe("decrypt-only");
});

test("an active key with an end is retired at its end, too", () => {
  const ring = ringOf([ringKey({ not_after: T + 5 })]);
  expect(expire(ring, T + 4, DECRYPT_ONLY_MAX_MS)).toBe(ring);
  expect(expire(ring, T + 5, DECRYPT_ONLY_MAX_MS).keys[0]).toMatchObject({ state: "retired", wrapped: null });
});

test("a retired key does not change again", () => {
  const once = expire(ringOf([decryptOnly(T)]), END, DECRYPT_ONLY_MAX_MS);
  expect(expire(once, END + 1, DECRYPT_ONLY_MAX_MS)).toBe(once);
});

const made = { kid: "k9", wrapped: Buffer.from([1, 2, 3]), keyArn: "arn:aws:kms:x" };
const environment = { env: "dev", nowMs: T } as const;

test("an environment's first ring has one active key without an end, and names the key that wrapped it", () => {
  const ring = addFirstKey(undefined, made, environment);
  const key = ringKey({ kid: "k9", wrapped: "AQID", wrapped_by: "arn:aws:kms:x" });
  expect(ring).toEqual({ v: 1, env: "dev", generation: T, keys: [key] });
  expect(decodeRing(encodeRing(ring), "dev")).toEqual({ ok: true, ring });
});

test("a ring whose keys have all ended keeps them beside the new key, in a higher generation", () => {
  const old = [decryptOnly(T - 1000), ringKey({ state: "retired", wrapped: null })];
  const ring = addFirstKey(ringOf(old, { generation: T + 5 }), made, environment);
  expect(ring.generation).toBe(T + 6);
  expect(ring.keys.slice(0, 2)).toEqual(old);
  expect(ring.keys.map(({ kid, state }) => `${kid} ${state}`)).toEqual([
    "k0 decrypt-only",
    "k1 retired",
    "k9 active",
  ]);
});

test("a ring with an active key gets no second one", () => {
  expect(() => addFirstKey(ringOf([ringKey()]), made, environment)).toThrow(
    expect.objectContaining({ code: "CONFLICT" }),
  );
});

test("a full ring is not changed", () => {
  const keys = Array.from({ length: RING_KEYS_MAX }, (_, index) =>
    ringKey({ kid: `old-${index}`, state: "retired", wrapped: null }),
  );
  expect(() => addFirstKey(ringOf(keys), made, environment)).toThrow(
    expect.objectContaining({ code: "CONFLICT" }),
  );
  expect(addFirstKey(ringOf(keys.slice(1)), made, environment).keys).toHaveLength(RING_KEYS_MAX);
});

test.each([
  ["of a first ring is the time", undefined, T],
  ["after an older one is the time", T - 1, T],
  ["after one of the same millisecond is still higher", T, T + 1],
  ["after one of a fast clock is still higher", T + 1000, T + 1001],
])("a generation %s", (_case, previous, expected) => {
  expect(nextGeneration(previous, T)).toBe(expected);
});

test("a kid holds its day and 64 random bits", () => {
  expect(newKid(T, Buffer.from("0123456789abcdef", "hex"))).toBe("k20260102-0123456789abcdef");
});

test("every kid is a valid name", () => {
  const random = fc.uint8Array({ minLength: 8, maxLength: 8 });
  fc.assert(fc.property(fc.nat(4e12), random, (nowMs, bytes) => isName(newKid(nowMs, bytes))));
});
