import { type ProviderTrust, type TrustDocument, UNKNOWN_PROVIDER } from "@scbe/contracts";
import { expect, test } from "vitest";
import { showTrustRow, showTrustScores } from "./show-trust.ts";

const SINCE = Date.parse("2027-01-15T08:00:00.000Z");
const MINUTE = 60_000;
const at = (minutes: number): string => new Date(SINCE + minutes * MINUTE).toISOString();
const EXCLUDED: ProviderTrust = {
  ...UNKNOWN_PROVIDER,
  ...{ w: 3.25, samples: 9, exclusions: 1 },
  exclusion: { since: SINCE, until: SINCE + MINUTE },
};
const LATCH = { cause: "nonce_reuse", since: SINCE, event: "e1" } as const;
const TAKEN_OUT = { score: 0, reason: "odd answers", by: "ADMIN_TOKEN", at: SINCE };
/** Not by whom: everybody may look. */
const SHOWN = { score: 0, reason: "odd answers", at: new Date(SINCE).toISOString() };

function documentOf(trust: ProviderTrust): TrustDocument {
  return { v: 1, stream: { created: at(0), seq: 4 }, providers: { openai: trust } };
}

const UP = { trust_score: 1, share: 100, ledger: null, cause: null, since: null, until: null };
const OUT = { trust_score: 0, share: 0, ledger: "quality", cause: "outcomes" };
const BACK = { trust_score: 0.5, ledger: "quality", cause: "probation", since: at(1), until: at(4) };

test.each([
  ["nothing is known of it", UNKNOWN_PROVIDER, 0, UP],
  ["it is excluded", EXCLUDED, 0.5, { ...OUT, since: at(0), until: at(1) }],
  ["it comes back, at the first step", EXCLUDED, 1, { ...BACK, share: 5 }],
  ["it comes back, at the last one", EXCLUDED, 3.9, { ...BACK, share: 50 }],
  ["it is back", EXCLUDED, 4, { ...UP, trust_score: 0.5, exclusions: 1, samples: 9 }],
  [
    "a person has taken it out",
    { ...EXCLUDED, exclusion: { since: SINCE, until: null }, calibration: TAKEN_OUT },
    9,
    { ...OUT, cause: "calibration", since: at(0), until: null, calibration: SHOWN },
  ],
  [
    "it is latched, whatever else there is",
    { ...EXCLUDED, latch: LATCH },
    0.5,
    {
      ...{ trust_score: 0, share: 0, ledger: "integrity", cause: "nonce_reuse", since: at(0), until: null },
      latch: { ...LATCH, since: at(0) },
    },
  ],
])("a row says what keeps a provider down and until when: %s", (_is, trust, minutes, row) => {
  expect(showTrustRow(documentOf(trust), "openai", SINCE + minutes * MINUTE)).toMatchObject(row);
});

test("all providers of the deployment are shown, and no other; the mean is theirs", () => {
  const seen = {
    document: documentOf({ ...UNKNOWN_PROVIDER, latch: LATCH }),
    isHeard: true,
    note: undefined,
  };
  const shown = showTrustScores(seen, { providers: ["xai", "openai"], now: SINCE });
  expect(shown).toMatchObject({ at: at(0), scbe_trust_score_avg: 0.5, heard: true, note: null });
  expect(shown.stream).toEqual({ created: at(0), seq: 4 });
  expect(shown.providers.map(({ provider }) => provider)).toEqual(["xai", "openai"]);
});
