import { expect, test } from "vitest";
import { ReportedEvent, TrustEvent } from "./trust-events.ts";

const ID = "0189dcd5-1111-4222-8333-444455556666";
const COMMON = { v: 1, id: ID, provider: "openai", at: 1_800_000_000_000 };
const TELLER = { teller: "orchestrator" };
const OUTCOME = {
  ...COMMON,
  ...TELLER,
  kind: "outcome",
  request_id: ID,
  result: "ok",
  count: 1,
  latency_ms: 12,
};
const WORD = { reason: "resolved", by: "ana" };

test.each([
  ["an outcome", OUTCOME],
  [
    "a run of successes",
    { ...COMMON, ...TELLER, kind: "outcome", result: "ok", count: 10_000, latency_ms: 250 },
  ],
  [
    "a response that fails to open",
    { ...COMMON, ...TELLER, kind: "integrity", request_id: ID, cause: "bound_response_fails" },
  ],
  [
    "a nonce reuse, under the id that the guard gave it",
    { ...COMMON, kind: "integrity", id: "a_B-9", cause: "nonce_reuse" },
  ],
  ["a calibration", { ...COMMON, ...WORD, kind: "calibration", score: 0.95 }],
  ["a clearing", { ...COMMON, ...WORD, kind: "clearing", clears: "a_B-9" }],
])("%s is an event, and is not one with a further member", (_is, event) => {
  expect(TrustEvent.parse(event)).toEqual(event);
  expect(TrustEvent.safeParse({ ...event, more: 1 }).success).toBe(false);
});

test.each([
  ["another version", { ...OUTCOME, v: 2 }],
  ["an outcome without its teller", { ...OUTCOME, teller: undefined }],
  ["an outcome of more than one teller", { ...OUTCOME, teller: "*" }],
  ["a nonce reuse reported by a teller", { ...COMMON, ...TELLER, kind: "integrity", cause: "nonce_reuse" }],
  ["an unknown kind", { ...OUTCOME, kind: "verdict" }],
  ["an unknown result", { ...OUTCOME, result: "fine" }],
  ["a result as a cause", { ...COMMON, ...TELLER, kind: "integrity", cause: "timeout" }],
  ["an id that is not a UUID", { ...OUTCOME, id: "a_B-9" }],
  ["more than one provider", { ...OUTCOME, provider: "*" }],
  ["a latency of days", { ...OUTCOME, latency_ms: 1e9 }],
  ["several failures at once", { ...OUTCOME, result: "timeout", count: 2 }],
  ["more successes than one event can report", { ...OUTCOME, count: 10_001 }],
  ["none at all", { ...OUTCOME, count: 0 }],
  ["a score above 1", { ...COMMON, ...WORD, kind: "calibration", score: 1.1 }],
  ["a calibration without an actor", { ...COMMON, ...WORD, kind: "calibration", score: 1, by: "" }],
  ["a clearing without an actor", { ...COMMON, ...WORD, kind: "clearing", clears: "a", by: "" }],
  ["a clearing of everything", { ...COMMON, ...WORD, kind: "clearing", clears: "" }],
])("%s is not an event", (_is, event) => {
  expect(TrustEvent.safeParse(event).success).toBe(false);
});

test("a client cannot choose its teller, nor report a nonce reuse", () => {
  const { teller: _, ...reported } = OUTCOME;
  expect(ReportedEvent.parse(reported)).toEqual(reported);
  expect(ReportedEvent.safeParse(OUTCOME).success).toBe(false);
  const integrity = { ...COMMON, kind: "integrity", cause: "bound_response_fails" };
  expect(ReportedEvent.parse(integrity)).toEqual(integrity);
  expect(ReportedEvent.safeParse({ ...integrity, cause: "nonce_reuse" }).success).toBe(false);
});
