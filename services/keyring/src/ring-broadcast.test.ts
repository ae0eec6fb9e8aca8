import { RingState } from "@scbe/contracts";
import { expect, test } from "vitest";
import { DECRYPT_ONLY_MAX_MS, decryptOnly, ringKey, ringOf, T } from "../test/rings.ts";
import { ringState } from "./ring-broadcast.ts";

test("verifiers get states and ends, and nothing of any key", () => {
  const gone = ringKey({ kid: "gone", state: "compromised", wrapped: null });
  const state = ringState(
    ringOf([ringKey(), decryptOnly(T, { not_after: T + 1e12 }), gone]),
    DECRYPT_ONLY_MAX_MS,
  );
  expect(RingState.parse(state)).toEqual({
    env: "dev",
    generation: 7,
    keys: [
      { kid: "k1", state: "active", not_after: null },
      { kid: "k0", state: "decrypt-only", not_after: T + DECRYPT_ONLY_MAX_MS },
      { kid: "gone", state: "compromised", not_after: null },
    ],
  });
});
