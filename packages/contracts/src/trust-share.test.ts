import { expect, test } from "vitest";
import type { ProviderTrust } from "./trust.ts";
import { trustIn, trustLabel, trustScore, trustShare, UNKNOWN_PROVIDER } from "./trust-share.ts";

const SINCE = 1_800_000_000_000;
const OUT: ProviderTrust = {
  ...UNKNOWN_PROVIDER,
  w: 3.25,
  exclusions: 2,
  exclusion: { since: SINCE, until: SINCE + 60_000 },
};
const LATCHED: ProviderTrust = {
  ...UNKNOWN_PROVIDER,
  latch: { cause: "nonce_reuse", since: SINCE, event: "e1" },
};

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
])("%i ms after an exclusion of a minute the share is %i %%", (ms, share, score) => {
  expect(trustShare(OUT, SINCE + ms)).toBe(share);
  expect(trustScore(OUT, SINCE + ms)).toBe(score);
});

test("an exclusion by a person has no end of its own, and a latch neither", () => {
  const byPerson = { ...OUT, exclusion: { since: SINCE, until: null } };
  for (const trust of [byPerson, LATCHED]) {
    expect([trustShare(trust, SINCE + 1e12), trustScore(trust, SINCE + 1e12)]).toEqual([0, 0]);
  }
});

test("who is not named is trusted, whatever the name", () => {
  expect(trustIn({ providers: { openai: OUT, xai: LATCHED } }, "constructor")).toBe(UNKNOWN_PROVIDER);
  expect(trustShare(UNKNOWN_PROVIDER, SINCE)).toBe(100);
});

test("a trust label is the name of no provider", () => {
  expect(trustLabel("openai")).not.toMatch(/^[a-z0-9][a-z0-9_-]{0,63}$/);
});
