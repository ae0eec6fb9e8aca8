import type { SentRequest } from "@scbe/examples/send-requests";
import { describe, expect, test } from "vitest";
import type { AttackReport } from "./attacks.ts";
import { type CarriedState, NOTHING_CARRIED } from "./carried-state.ts";
import type { KillReport } from "./kill-demonstration.ts";
import { allWentWell, jsonReport, textReport } from "./report.ts";
import type { TrustReport } from "./trust-demonstration.ts";

const request: SentRequest = {
  id: "openai-1",
  provider: "openai",
  bytes: 200,
  seal_ms: 0.123,
  round_trip_ms: 12.346,
  verdict: "ok",
};
const attack: AttackReport = { name: "flipped bit", refused: true, answer_bytes: 512, after_ms: 701 };

const plain = { sent: 12, answered: 12 };
/** Nothing is in force from an earlier run. */
const clean = { carried: NOTHING_CARRIED, skipped: {} };
const trust: TrustReport = {
  ...{ provider: "xai", failed: 5, excluded_ms: 300 },
  ...{ back_ms: 4100, unanswered: 0 },
};
const kill: KillReport = { verifiers: 9, obeyed_ms: 12.3, released_after: 0, refused: 40, is_back: true };

describe("the demonstration succeeds", () => {
  test("when every request was answered and every attack refused", () => {
    expect(
      allWentWell({ ...clean, requests: [request, request], attacks: [attack, attack], plain, kill }),
    ).toBe(true);
  });

  test.each([
    ["a request failed", [request, { ...request, verdict: "TIMEOUT" }], [attack]],
    ["an attack was not refused", [request], [attack, { ...attack, refused: false }]],
    ["refusals differ in length", [request], [attack, { ...attack, answer_bytes: 511 }]],
    ["no request was sent", [], [attack]],
    ["no attack was tried", [request], []],
  ])("not when %s", (_case, requests, attacks) => {
    expect(allWentWell({ ...clean, requests, attacks, plain, kill })).toBe(false);
  });

  test("not when a plain program had no answer", () => {
    const one = { sent: 12, answered: 11 };
    expect(allWentWell({ ...clean, requests: [request], attacks: [attack], plain: one, kill })).toBe(false);
  });
});

describe("a kill", () => {
  test.each<[string, KillReport | null]>([
    ["that could not be shown", null],
    ["after which something was released", { ...kill, released_after: 1 }],
    ["that refused nothing", { ...kill, refused: 0 }],
    ["from which nothing came back", { ...kill, is_back: false }],
  ])("%s is a failure", (_case, one) => {
    const shown = { ...clean, requests: [request], attacks: [attack], plain, kill: one };
    expect(allWentWell(shown)).toBe(false);
    expect(allWentWell({ ...shown, kill })).toBe(true);
  });
});

const KILLED: CarriedState = {
  entries: [
    {
      kind: "kill",
      what: "all is off",
      reason: "a try",
      by: "admin",
      since: "then",
      release: { by: "kill switch" },
    },
  ],
  effects: { openai: "refused", groq: "some" },
  last: [],
};

describe("with a kill from an earlier run", () => {
  const refused: SentRequest = { ...request, verdict: "SWITCHED_OFF" };
  const skipped = { attacks: "why", plain: "why", trust: "why", kill: "why" };
  const nothing = { attacks: [], plain: { sent: 0, answered: 0 }, kill: null };
  const shown = { carried: KILLED, skipped, requests: [refused], ...nothing };

  test("succeeds when the kill was respected, and names the steps that were left out", () => {
    expect(allWentWell(shown)).toBe(true);
    const text = textReport(shown);
    expect(text).toMatch(/SWITCHED_OFF, as what stands has it/);
    expect(text.match(/not shown, since why/g)).toHaveLength(4);
    expect(text).not.toMatch(/could not be shown|plain programs/);
  });

  test("fails when a request got past it, or another one failed", () => {
    expect(allWentWell({ ...shown, requests: [request] })).toBe(false);
    expect(allWentWell({ ...shown, requests: [{ ...refused, provider: "xai" }] })).toBe(false);
    expect(allWentWell({ ...shown, requests: [{ ...refused, verdict: "TIMEOUT" }] })).toBe(false);
  });

  test("a provider with a share can answer or refuse", () => {
    const ofGroq = ["ok", "SWITCHED_OFF"].map((verdict) => ({ ...request, provider: "groq", verdict }));
    expect(allWentWell({ ...shown, requests: ofGroq })).toBe(true);
  });

  test("fails when a step is missing without a reason", () => {
    for (const step of ["attacks", "kill"] as const) {
      const { [step]: _, ...left } = skipped;
      expect(allWentWell({ ...shown, skipped: left })).toBe(false);
    }
  });
});

describe("a provider that fails", () => {
  test.each<[string, TrustReport | null]>([
    ["that could not be shown", null],
    ["and was never asked", { ...trust, failed: 0 }],
    ["with requests that no provider answered", { ...trust, unanswered: 1 }],
  ])("%s is a failure", (_case, one) => {
    const shown = { ...clean, requests: [request], attacks: [attack], plain, kill, trust: one };
    expect(allWentWell(shown)).toBe(false);
    expect(allWentWell({ ...shown, trust })).toBe(true);
  });
});

describe("the JSON document", () => {
  const monitoring = { prometheus: null, alertmanager: null, jaeger: "http://127.0.0.1:16686" };
  const shown = {
    ...clean,
    requests: [request],
    attacks: [attack],
    plain,
    kill,
    trust,
    traceId: "0af7651916cd43dd8448eb211c80319c",
  };

  test("has exactly the agreed members", () => {
    expect(JSON.parse(jsonReport(shown, monitoring))).toEqual({
      ok: true,
      requests: [{ ...request, seal_ms: 0.123, round_trip_ms: 12.346 }],
      attacks: [{ name: "flipped bit", refused: true, answer_bytes: 512 }],
      kill: { verifiers: 9, obeyed_ms: 12.3, released_after: 0 },
      trust,
      trace: {
        id: "0af7651916cd43dd8448eb211c80319c",
        url: "http://127.0.0.1:16686/trace/0af7651916cd43dd8448eb211c80319c",
      },
      standing: [],
      skipped: {},
      monitoring,
    });
  });

  test("names what an earlier run has left in force, and the steps that were left out because of it", () => {
    const document = JSON.parse(
      jsonReport({ ...shown, carried: KILLED, skipped: { kill: "why" } }, monitoring),
    );
    expect(document).toMatchObject({
      standing: [
        { kind: "kill", provider: null, what: "all is off", reason: "a try", by: "admin", since: "then" },
      ],
      skipped: { kill: "why" },
    });
    expect(JSON.stringify(document.standing)).not.toContain("release");
  });

  test("names no trace without a Jaeger, or without a trace", () => {
    const { traceId: _, ...untraced } = shown;
    expect(JSON.parse(jsonReport(untraced, monitoring)).trace).toBeNull();
    expect(JSON.parse(jsonReport(shown, { ...monitoring, jaeger: null })).trace).toBeNull();
  });
});

test("the tables name what failed, and why", () => {
  const failed = { ...request, id: "xai-2", seal_ms: null, verdict: "TIMEOUT" };
  const passed = { ...attack, refused: false, instead: "the answer is sealed" };
  const text = textReport({ ...clean, requests: [request, failed], attacks: [passed], plain, kill, trust });
  expect(text).toMatch(/openai-1 +openai +200 +0\.12 ms +12 ms +ok/);
  expect(text).toMatch(/xai-2 +openai +200 +- +12 ms +TIMEOUT/);
  expect(text).toMatch(/flipped bit +512 +701 ms +NOT REFUSED: the answer is sealed/);
  expect(text).toContain(
    "9 verifiers obeyed within 12 ms; then 40 requests were refused, 0 answered; after the release they were answered again",
  );
  expect(text).toContain(
    "xai turned bad: after 5 failures, 300 ms, it got no more requests; 0 had no answer; it serves all again 4100 ms after it was good",
  );
  expect(text).toContain("12 of 12 requests of plain programs were answered");
});
