import { describe, expect, test } from "vitest";
import type { ProviderTrust, TellerTrust } from "./trust.ts";
import {
  exclusionForAll,
  isExcluded,
  isLatched,
  quorumOf,
  trustIn,
  trustLabel,
  trustScore,
  trustShare,
  UNKNOWN_PROVIDER,
} from "./trust.ts";

const SINCE = 1_800_000_000_000;
const MINUTE = 60_000;
const ROW: TellerTrust = { w: 0, samples: 3, exclusions: 0, exclusion: null, latch: null, at: SINCE };
const out = (since = SINCE): TellerTrust => ({
  ...{ ...ROW, w: 3.25, exclusions: 2 },
  exclusion: { since, until: since + MINUTE },
});
const LATCHED: ProviderTrust = {
  ...UNKNOWN_PROVIDER,
  latch: { cause: "nonce_reuse", since: SINCE, event: "e1", n: 1, tellers: [] },
};

/** A provider with so many tellers, and these rows. */
function of(count: number, tellers: Record<string, TellerTrust>): ProviderTrust {
  return { ...UNKNOWN_PROVIDER, quorum: { needs: quorumOf(count), of: count }, tellers };
}

test.each([
  [0, 0, 0],
  [59_999, 0, 0],
  [60_000, 5, 0.5],
  [119_999, 5, 0.5],
  [120_000, 25, 0.5],
  [180_000, 50, 0.5],
  [239_999, 50, 0.5],
  [240_000, 100, 0.5],
  [1e12, 100, 0.5],
])("%i ms after an exclusion of a minute by the only teller the share is %i %%", (ms, share, score) => {
  const trust = of(1, { a: out() });
  expect(trustShare(trust, SINCE + ms)).toBe(share);
  expect(trustScore(trust, SINCE + ms)).toBe(score);
});

test("a provider that is taken out or latched stays so", () => {
  const calibration = { score: 0, reason: "odd", by: "ana", at: SINCE };
  for (const trust of [{ ...UNKNOWN_PROVIDER, calibration }, LATCHED]) {
    expect([trustShare(trust, SINCE + 1e12), trustScore(trust, SINCE + 1e12)]).toEqual([0, 0]);
  }
});

test("a provider that the document does not name is trusted, whatever its name", () => {
  expect(trustIn({ providers: { openai: of(1, {}), xai: LATCHED } }, "constructor")).toBe(UNKNOWN_PROVIDER);
  expect(trustShare(UNKNOWN_PROVIDER, SINCE)).toBe(100);
});

test("a trust label is never the name of a provider", () => {
  expect(trustLabel("openai")).not.toMatch(/^[a-z0-9][a-z0-9_-]{0,63}$/);
});

describe("of two tellers or more", () => {
  test("the exclusion of one holds only for itself", () => {
    for (const trust of [of(2, { a: out() }), of(3, { a: out(), b: ROW }), of(9, { a: out() })]) {
      expect([trustShare(trust, SINCE), trustScore(trust, SINCE), isExcluded(trust, SINCE)]).toEqual([
        ...[100, 1],
        false,
      ]);
      expect([trustShare(trust, SINCE, "a"), trustScore(trust, SINCE, "a")]).toEqual([0, 0]);
      expect([trustShare(trust, SINCE, "b"), trustShare(trust, SINCE, "c")]).toEqual([100, 100]);
      expect(exclusionForAll(trust, SINCE)).toBeUndefined();
    }
  });

  test("the exclusions of two hold for all: from the start of the second to the end of the first", () => {
    const trust = of(3, { a: out(), b: out(SINCE + 20_000), c: { ...ROW, w: 0, samples: 1e9 } });
    expect(exclusionForAll(trust, SINCE + 19_999)).toBeUndefined();
    const all = { since: SINCE + 20_000, until: SINCE + MINUTE, tellers: ["a", "b"] };
    expect(exclusionForAll(trust, SINCE + 20_000)).toEqual(all);
    expect([trustShare(trust, SINCE + 30_000), isExcluded(trust, SINCE + 30_000)]).toEqual([0, true]);
    expect(trustShare(trust, SINCE + MINUTE)).toBe(5);
    expect(trustShare(trust, SINCE + MINUTE, "b")).toBe(0);
    expect(exclusionForAll(trust, SINCE + MINUTE)).toBeUndefined();
  });

  test("the latch of one holds only for itself", () => {
    const latch = { since: SINCE, event: "e1", n: 1 };
    const trust = of(2, { a: { ...ROW, latch } });
    expect([isLatched(trust), isLatched(trust, "a"), isLatched(trust, "b")]).toEqual([false, true, false]);
    expect([trustShare(trust, SINCE), trustShare(trust, SINCE, "a"), trustScore(trust, SINCE, "a")]).toEqual([
      100, 0, 0,
    ]);
    expect([isLatched(LATCHED), isLatched(LATCHED, "b")]).toEqual([true, true]);
  });

  test("a calibration is the start of tellers without reports", () => {
    const calibration = { score: 0.95, reason: "resolved", by: "ana", at: SINCE };
    const trust = { ...of(2, { a: { ...ROW, w: 6 } }), calibration };
    expect(trustScore(trust, SINCE)).toBeCloseTo(0.95);
    expect(trustScore({ ...trust, tellers: {} }, SINCE)).toBeCloseTo(0.95);
  });
});
