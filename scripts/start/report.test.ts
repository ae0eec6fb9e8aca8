import type { SentRequest } from "@scbe/examples/send-requests";
import { describe, expect, test } from "vitest";
import type { AttackReport } from "./attacks.ts";
import { allWentWell, jsonReport, textReport } from "./report.ts";

const request: SentRequest = {
  id: "openai-1",
  provider: "openai",
  bytes: 200,
  seal_ms: 0.123,
  round_trip_ms: 12.346,
  verdict: "ok",
};
const attack: AttackReport = { name: "flipped bit", refused: true, answer_bytes: 512, after_ms: 701 };

describe("all went as it must", () => {
  test("when every request was answered and every attack refused", () => {
    expect(allWentWell({ requests: [request, request], attacks: [attack, attack] })).toBe(true);
  });

  test.each([
    ["a request failed", [request, { ...request, verdict: "TIMEOUT" }], [attack]],
    ["an attack was not refused", [request], [attack, { ...attack, refused: false }]],
    ["refusals differ in length", [request], [attack, { ...attack, answer_bytes: 511 }]],
    ["no request was sent", [], [attack]],
    ["no attack was tried", [request], []],
  ])("not when %s", (_case, requests, attacks) => {
    expect(allWentWell({ requests, attacks })).toBe(false);
  });
});

test("the JSON document has exactly the agreed members", () => {
  expect(JSON.parse(jsonReport({ requests: [request], attacks: [attack] }))).toEqual({
    ok: true,
    requests: [{ ...request, seal_ms: 0.123, round_trip_ms: 12.346 }],
    attacks: [{ name: "flipped bit", refused: true, answer_bytes: 512 }],
  });
});

test("the tables say what failed, and why", () => {
  const failed = { ...request, id: "xai-2", seal_ms: null, verdict: "TIMEOUT" };
  const passed = { ...attack, refused: false, instead: "the answer is sealed" };
  const text = textReport({ requests: [request, failed], attacks: [passed] });
  expect(text).toMatch(/openai-1 +openai +200 +0\.12 ms +12 ms +ok/);
  expect(text).toMatch(/xai-2 +openai +200 +- +12 ms +TIMEOUT/);
  expect(text).toMatch(/flipped bit +512 +701 ms +NOT REFUSED: the answer is sealed/);
});
