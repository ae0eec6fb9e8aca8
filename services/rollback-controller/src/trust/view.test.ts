import { type ProviderTrust, type TellerTrust, type TrustDocument, UNKNOWN_PROVIDER } from "@scbe/contracts";
import { expect, test } from "vitest";
import { viewTrustRow, viewTrustScores } from "./view.ts";

const SINCE = Date.parse("2027-01-15T08:00:00.000Z");
const MINUTE = 60_000;
const at = (minutes: number): string => new Date(SINCE + minutes * MINUTE).toISOString();
const ROW: TellerTrust = {
  ...{ w: 3.25, samples: 9, exclusions: 1, latch: null, at: SINCE },
  exclusion: { since: SINCE, until: SINCE + MINUTE },
};
/** A report by the only teller. */
const EXCLUDED: ProviderTrust = {
  ...UNKNOWN_PROVIDER,
  quorum: { needs: 1, of: 1 },
  tellers: { orchestrator: ROW },
};
const LATCH: NonNullable<ProviderTrust["latch"]> = {
  ...{ cause: "nonce_reuse", since: SINCE, event: "e1", n: 1 },
  tellers: [],
};
const TAKEN_OUT = { score: 0, reason: "odd answers", by: "ADMIN_TOKEN", at: SINCE };
/** Without its actor: the route is open. */
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
  ["it is back", EXCLUDED, 4, { ...UP, trust_score: 0.5, samples: 9 }],
  [
    "a person has taken it out",
    { ...EXCLUDED, calibration: TAKEN_OUT },
    9,
    { ...OUT, cause: "calibration", since: at(0), until: null, calibration: SHOWN },
  ],
  [
    "it is latched, whatever else applies",
    { ...EXCLUDED, latch: LATCH },
    0.5,
    {
      ...{ trust_score: 0, share: 0, ledger: "integrity", cause: "nonce_reuse", since: at(0), until: null },
      latch: { cause: "nonce_reuse", event: "e1", tellers: [], since: at(0) },
    },
  ],
])("a row says what restricts a provider and until when: %s", (_is, trust, minutes, row) => {
  expect(viewTrustRow(documentOf(trust), "openai", SINCE + minutes * MINUTE)).toMatchObject(row);
});

test("the view has exactly the providers of the deployment, and their mean", () => {
  const seen = {
    document: documentOf({ ...UNKNOWN_PROVIDER, latch: LATCH }),
    isHeard: true,
    note: undefined,
  };
  const shown = viewTrustScores(seen, { providers: ["xai", "openai"], now: SINCE });
  expect(shown).toMatchObject({ at: at(0), scbe_trust_score_avg: 0.5, heard: true, note: null });
  expect(shown.stream).toEqual({ created: at(0), seq: 4 });
  expect(shown.providers.map(({ provider }) => provider)).toEqual(["xai", "openai"]);
});

test("a row has the reports of each teller, and how many more tellers are needed until they apply to all", () => {
  const latch = { since: SINCE, event: "e7", n: 1 };
  const of = (tellers: ProviderTrust["tellers"], count: number): ProviderTrust => ({
    ...{ ...UNKNOWN_PROVIDER, tellers },
    quorum: { needs: count === 1 ? 1 : 2, of: count },
  });
  const shown = (trust: ProviderTrust) => viewTrustRow(documentOf(trust), "openai", SINCE + 1);
  const one = shown(of({ web: ROW, batch: { ...ROW, exclusion: null, w: 0, latch } }, 3));
  expect(one).toMatchObject({
    ...{ trust_score: 1, share: 100, ledger: null, samples: 18, latch: null },
    ...{ quorum: { needs: 2, of: 3 }, missing: { exclusion: 1, latch: 1 } },
  });
  expect(one.tellers).toEqual([
    {
      ...{ teller: "batch", trust_score: 1, share: 100, samples: 9, exclusions: 1, excluded_until: null },
      ...{ latch: { since: at(0), event: "e7" }, last_report: at(0) },
    },
    {
      ...{ teller: "web", trust_score: 0, share: 0, samples: 9, exclusions: 1, excluded_until: at(1) },
      ...{ latch: null, last_report: at(0) },
    },
  ]);
  const both = shown(of({ web: ROW, batch: ROW }, 3));
  expect(both).toMatchObject({ share: 0, ledger: "quality", missing: { exclusion: 0, latch: 2 } });
  expect(shown(of({}, 1))).toMatchObject({ missing: { exclusion: 1, latch: 1 }, tellers: [] });
});
