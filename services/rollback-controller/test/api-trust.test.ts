import { type ProviderTrust, ScbeError, type TrustDocument, UNKNOWN_PROVIDER } from "@scbe/contracts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TrustBody } from "../src/trust/overrides.ts";
import { ADMIN, ALERTS, EMERGENCY, startApi, type TestApi } from "./api-kit.ts";

const SCORES = "/metrics/scbe/trust-scores";
const WORD = "/admin/scbe/trust";
const body = { provider: "openai", trust_score: 0.95, reason: "resolved" };

/** A trust port that records overrides and applies none. */
function silentTrust() {
  const ordered: { body: TrustBody; by: string }[] = [];
  return {
    ordered,
    document: undefined as TrustDocument | undefined,
    isHeard: false,
    note: "no scorer is heard",
    override: async (body: TrustBody, by: string) => {
      ordered.push({ body, by });
      return { isApplied: false };
    },
  };
}

describe("the control API of trust", () => {
  let api: TestApi;
  let trust: ReturnType<typeof silentTrust>;

  beforeEach(async () => {
    trust = silentTrust();
    api = await startApi({ trust });
  });
  afterEach(() => api[Symbol.asyncDispose]());

  it("shows without a token that every provider is trusted while no scorer is known, and says so", async () => {
    const { status, body: shown } = await api.ask(SCORES);
    expect(status).toBe(200);
    expect(shown).toMatchObject({
      ...{ scbe_trust_score_avg: 1, heard: false, note: "no scorer is heard", stream: null },
    });
    expect(shown.providers).toHaveLength(6);
    expect(new Set(shown.providers.map((row: { trust_score: number }) => row.trust_score))).toEqual(
      new Set([1]),
    );
  });

  it.each([
    [undefined, 401],
    [EMERGENCY, 403],
    [ALERTS, 403],
    [ADMIN, 202],
  ])("accepts overrides from the admin only: %s is answered %i", async (token, status) => {
    const answer = await api.ask(WORD, { body, ...(token !== undefined && { token }) });
    expect(answer.status).toBe(status);
    expect(trust.ordered).toEqual(status === 202 ? [{ body, by: "admin" }] : []);
  });

  it("says that a late override is not applied, and how to clear a latch", async () => {
    const latch: NonNullable<ProviderTrust["latch"]> = {
      ...{ cause: "nonce_reuse", since: 1_800_000_000_000, event: "e1", n: 1 },
      tellers: [],
    };
    const stream = { created: "2027-01-15T08:00:00Z", seq: 1 };
    trust.document = { v: 1, stream, providers: { openai: { ...UNKNOWN_PROVIDER, latch } } };
    const { body: answer } = await api.ask(WORD, { token: ADMIN, body });
    expect(answer).toMatchObject({
      applied: false,
      trust_score: 0,
      ledger: "integrity",
      latch: { event: "e1" },
    });
    expect(answer.warnings).toEqual([
      expect.stringContaining("as soon as a trust scorer has applied it"),
      expect.stringContaining('{"provider":"openai","clears":"e1","reason":"..."}'),
    ]);
  });

  it.each([
    ["BUSY", 503, "BUSY"],
    ["NOT_READY", 503, "NOT_READY"],
    ["CONFLICT", 409, "CONFLICT"],
  ] as const)("answers a word that is not kept (%s) with %i and its reason", async (thrown, status, code) => {
    trust.override = () => Promise.reject(new ScbeError(thrown, "the reason"));
    const answer = await api.ask(WORD, { token: ADMIN, body });
    expect([answer.status, answer.body]).toEqual([status, { code, title: "the reason" }]);
  });

  it("names the known providers when a body has another one", async () => {
    const answer = await api.ask(WORD, { token: ADMIN, body: { ...body, provider: "opanai" } });
    expect(answer.status).toBe(400);
    expect(answer.body.fields).toEqual([
      { field: "provider", problem: expect.stringContaining("openai, anthropic, google") },
    ]);
    expect(trust.ordered).toEqual([]);
  });

  const WRONG: readonly [more: object, field: string][] = [
    [{ trust_score: 1.01 }, "trust_score"],
    [{ trust_score: -1 }, "trust_score"],
    [{ trust_score: "0.95" }, "trust_score"],
    [{ trust_score: undefined }, "body"],
    [{ clears: "no id" }, "clears"],
    [{ clears: "" }, "clears"],
    [{ reason: " " }, "reason"],
    [{ reason: undefined }, "reason"],
    [{ by: "ana" }, "by"],
  ];
  it.each(WRONG)("refuses an override with %j: 400 that names the field", async (more, field) => {
    const answer = await api.ask(WORD, { token: ADMIN, body: { ...body, ...more } });
    expect([answer.status, answer.body.fields?.[0].field]).toEqual([400, field]);
    expect(trust.ordered).toEqual([]);
  });
});
