import { expect, test } from "vitest";
import { DECRYPT_ONLY_MAX_MS, decryptOnly, ringKey, ringOf, T } from "../../test/rings.ts";
import { nextStep } from "./next-step.ts";

const at = { nowMs: T, decryptOnlyMaxMs: DECRYPT_ONLY_MAX_MS };
const ring = ringOf([ringKey()]);
const newer = ringOf([ringKey({ kid: "k2" })], { generation: 8 });
const ended = ringOf([ringKey(), decryptOnly(T - DECRYPT_ONLY_MAX_MS)]);
const inactive = ringOf([decryptOnly(T)]);

test.each([
  ["on an empty bucket the first key is made", undefined, undefined, { do: "create", onto: undefined }],
  ["a ring that is stored is taken over", ring, undefined, { do: "adopt", ring }],
  ["a newer ring is taken over", newer, ring, { do: "adopt", ring: newer }],
  ["one ring here and there is left alone", ring, ring, { do: "nothing" }],
  ["an emptied bucket gets the ring back", undefined, ring, { do: "write", ring, why: "restore" }],
  [
    "a bucket that went back gets the newer ring back",
    ring,
    newer,
    { do: "write", ring: newer, why: "restore" },
  ],
  ["a ring without an active key gets one", inactive, inactive, { do: "create", onto: inactive }],
])("%s", (_case, stored, held, step) => {
  expect(nextStep(stored, held, at)).toEqual(step);
});

test("a key that has reached its end is retired in the stored ring, once that is the one in memory", () => {
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

test("a stored ring of the same generation is no news, whatever it holds", () => {
  const same = ringOf([ringKey({ kid: "other" })]);
  expect(nextStep(same, ring, at)).toEqual({ do: "nothing" });
});
