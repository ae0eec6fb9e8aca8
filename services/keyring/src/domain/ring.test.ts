import { INTEGER_MAX, RING_KEYS_MAX } from "@scbe/contracts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decryptOnly, ringKey, ringOf, T } from "../../test/rings.ts";
import { decodeRing, encodeRing, mayOpen, RING_BYTES_MAX, Ring } from "./ring.ts";

const ring = ringOf([ringKey(), decryptOnly(T), ringKey({ kid: "gone", state: "retired", wrapped: null })]);
const decode = (value: unknown) => decodeRing(Buffer.from(JSON.stringify(value)), "dev");
const withKey = (change: object) => ({ ...ring, keys: [{ ...ringKey(), ...change }] });

test("an encoded ring decodes to itself", () => {
  expect(decodeRing(encodeRing(ring), "dev")).toEqual({ ok: true, ring });
  expect(decode(ringOf([]))).toEqual({ ok: true, ring: ringOf([]) });
});

test("every well-formed ring decodes to itself, and the largest one fits the limit", () => {
  const kid = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,63}$/);
  const key = kid.chain((name) =>
    fc
      .constantFrom("retired" as const, "compromised" as const)
      .map((state) => ringKey({ kid: name, state, wrapped: null })),
  );
  const keys = fc.uniqueArray(key, { maxLength: RING_KEYS_MAX, selector: ({ kid: name }) => name });
  fc.assert(
    fc.property(keys, fc.integer({ min: 1, max: INTEGER_MAX }), (some, generation) => {
      const made = ringOf(some, { generation });
      expect(decodeRing(encodeRing(made), "dev")).toEqual({ ok: true, ring: made });
    }),
  );
  const largest = Array.from({ length: RING_KEYS_MAX }, (_, index) =>
    ringKey({
      kid: `${"k".repeat(60)}${index}`,
      state: "retired",
      wrapped: "A".repeat(256),
      wrapped_by: "a".repeat(128),
    }),
  );
  expect(encodeRing(ringOf(largest)).length).toBeLessThan(RING_BYTES_MAX);
});

test("another environment's ring is told apart from a malformed record", () => {
  expect(decodeRing(encodeRing({ ...ring, env: "prod" }), "dev")).toEqual({ ok: false, reason: "env" });
});

describe("malformed is", () => {
  test.each([
    ["an empty record", Buffer.alloc(0)],
    ["bytes that are not UTF-8", Buffer.from([0xff, 0xfe, 0x00])],
    ["truncated JSON", encodeRing(ring).subarray(0, -1)],
    ["a record that is too large", Buffer.from(JSON.stringify(ring) + " ".repeat(RING_BYTES_MAX))],
  ])("%s", (_case, bytes) => {
    expect(decodeRing(bytes, "dev")).toEqual({ ok: false, reason: "malformed" });
  });

  test.each([
    ["null", null],
    ["a list", [ring]],
    ["another version", { ...ring, v: 2 }],
    ["an unknown environment", { ...ring, env: "test" }],
    ["an extra member", { ...ring, note: "" }],
    ["no generation", { ...ring, generation: undefined }],
    ["a negative generation", { ...ring, generation: -1 }],
    ["a generation that is not an integer", { ...ring, generation: 1.5 }],
    ["a generation of 0", { ...ring, generation: 0 }],
    ["a generation above the highest", { ...ring, generation: INTEGER_MAX + 1 }],
    ["two active keys", ringOf([ringKey(), ringKey({ kid: "k2" })])],
    ["one kid twice", ringOf([ringKey(), decryptOnly(T, { kid: "k1" })])],
    ["a decrypt-only key without an end", ringOf([decryptOnly(T, { not_after: null })])],
    [
      "too many keys",
      ringOf(
        Array.from({ length: RING_KEYS_MAX + 1 }, (_, i) => ringKey({ kid: `k${i}`, state: "retired" })),
      ),
    ],
    ["a key of a malformed kid", withKey({ kid: "K 1" })],
    ["a key of an unknown state", withKey({ state: "resting" })],
    ["a key whose copy is not base64", withKey({ wrapped: "a b" })],
    ["a key whose copy is too large", withKey({ wrapped: "AAAA".repeat(2049) })],
    ["a key without a KMS key that wrapped it", withKey({ wrapped_by: "" })],
    ["a key with an extra member", withKey({ plaintext: "" })],
  ])("%s", (_case, value) => {
    expect(decode(value)).toEqual({ ok: false, reason: "malformed" });
  });

  test("a key that opens without a wrapped copy", () => {
    expect(decode(withKey({ wrapped: null })).ok).toBe(false);
    expect(decode(ringOf([decryptOnly(T, { wrapped: null })])).ok).toBe(false);
    expect(Ring.safeParse(withKey({ state: "retired", wrapped: null })).success).toBe(true);
  });
});

test.each([
  ["active", true],
  ["decrypt-only", true],
  ["retired", false],
  ["compromised", false],
] as const)("a key that is %s may open: %s", (state, expected) => {
  expect(mayOpen({ state })).toBe(expected);
});
