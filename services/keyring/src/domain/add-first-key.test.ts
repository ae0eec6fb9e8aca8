import { RING_KEYS_MAX } from "@scbe/contracts";
import { expect, test } from "vitest";
import { decryptOnly, ringKey, ringOf, T } from "../../test/rings.ts";
import { addFirstKey } from "./add-first-key.ts";
import { decodeRing, encodeRing } from "./ring.ts";

const made = { kid: "k9", wrapped: Buffer.from([1, 2, 3]), keyArn: "arn:aws:kms:x" };
const at = { env: "dev", nowMs: T } as const;

test("an environment's first ring has one active key without an end, and names what wrapped it", () => {
  const ring = addFirstKey(undefined, made, at);
  const key = ringKey({ kid: "k9", wrapped: "AQID", wrapped_by: "arn:aws:kms:x" });
  expect(ring).toEqual({ v: 1, env: "dev", generation: T, keys: [key] });
  expect(decodeRing(encodeRing(ring), "dev")).toEqual({ ok: true, ring });
});

test("a ring whose keys have all ended keeps them beside the new one, in a higher generation", () => {
  const old = [decryptOnly(T - 1000), ringKey({ state: "retired", wrapped: null })];
  const ring = addFirstKey(ringOf(old, { generation: T + 5 }), made, at);
  expect(ring.generation).toBe(T + 6);
  expect(ring.keys.slice(0, 2)).toEqual(old);
  expect(ring.keys.map(({ kid, state }) => `${kid} ${state}`)).toEqual([
    "k0 decrypt-only",
    "k1 retired",
    "k9 active",
  ]);
});

test("a ring that has an active key gets no second one", () => {
  expect(() => addFirstKey(ringOf([ringKey()]), made, at)).toThrow(
    expect.objectContaining({ code: "CONFLICT" }),
  );
});

test("a full ring is left as it is", () => {
  const keys = Array.from({ length: RING_KEYS_MAX }, (_, index) =>
    ringKey({ kid: `old-${index}`, state: "retired", wrapped: null }),
  );
  expect(() => addFirstKey(ringOf(keys), made, at)).toThrow(expect.objectContaining({ code: "CONFLICT" }));
  expect(addFirstKey(ringOf(keys.slice(1)), made, at).keys).toHaveLength(RING_KEYS_MAX);
});
