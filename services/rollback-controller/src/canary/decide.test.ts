import { expect, test } from "vitest";
import { evidenceWith } from "../../test/canary-evidence.ts";
import { decide } from "./decide.ts";
import type { Evidence, StepFacts } from "./record.ts";

const MINUTE = 60_000;
const T = 1_700_000_000_000;
/** At 25 %, with its half hour just over. */
const STEP: StepFacts = { share: 25, next_share: 50, since: T, hold_ms: 30 * MINUTE, override: false };
const LAST: StepFacts = { ...STEP, share: 50, next_share: 100 };
const OVER = T + 30 * MINUTE;

interface Case {
  readonly named: string;
  readonly evidence?: Evidence;
  readonly step?: StepFacts;
  readonly now?: number;
  readonly why: string;
}

const PROMOTES: readonly Case[] = [
  { named: "all criteria succeed for long enough", why: "the step's time is over" },
  {
    named: "it is the last step, and there is nothing to raise",
    step: { ...STEP, share: 100, next_share: null },
    why: "the step's time is over",
  },
  {
    named: "one tag in 10,000 did not verify",
    evidence: evidenceWith({ gcm_failure_share: { value: 1 / 10_000, samples: 10_000 } }),
    why: "1 of 10000 failed",
  },
  {
    named: "50 to 100 % with 2,995 clean requests",
    step: LAST,
    evidence: evidenceWith({ clean_requests: { value: 2995 } }),
    why: "clean_requests: 2995 of the 2995",
  },
  {
    named: "50 to 100 % with fewer, and a person's override",
    step: { ...LAST, override: true },
    evidence: evidenceWith({ clean_requests: { value: 800 } }),
    why: "clean_requests: a person has let it go on",
  },
  {
    named: "25 to 50 % with fewer than 2,995",
    evidence: evidenceWith({ clean_requests: { value: 800 } }),
    why: "clean_requests: asked for before 100 % alone",
  },
];

const NO_DATA = { value: null, samples: null };
const HOLDS: readonly Case[] = [
  { named: "a second is left", now: OVER - 1000, why: "the step lasts for 1 s more" },
  {
    named: "this controller's clock is behind that of the one before",
    now: T - 5000,
    why: "the step lasts for 1805 s more",
  },
  {
    named: "Prometheus is away",
    evidence: evidenceWith({ verify_p99_ms: { ...NO_DATA, error: "no answer in 10000 ms" } }),
    why: "verify_p99_ms: Prometheus does not answer: no answer in 10000 ms",
  },
  {
    named: "there is no series",
    evidence: evidenceWith({ gcm_failure_share: NO_DATA }),
    why: "gcm_failure_share: no data",
  },
  {
    named: "nothing was observed",
    evidence: evidenceWith({ create_p99_ms: { value: "NaN", samples: 0 } }),
    why: "create_p99_ms: not a number",
  },
  {
    named: "a good quantile has too few samples",
    evidence: evidenceWith({ verify_p99_ms: { value: 1, samples: 299 } }),
    why: "verify_p99_ms: 299 samples, of the 300",
  },
  {
    named: "a bad quantile has too few samples",
    evidence: evidenceWith({ verify_p99_ms: { value: 4000, samples: 12 } }),
    why: "verify_p99_ms: 12 samples",
  },
  {
    named: "no guard reports reuses",
    evidence: evidenceWith({ nonce_reuse: NO_DATA }),
    why: "nonce_reuse: no data",
  },
  {
    named: "the sequential test has too few samples",
    evidence: evidenceWith({ gcm_failure_share: { value: 0, samples: 700 } }),
    why: "gcm_failure_share: 0 of 700 failed, a score of -2.807; it has to come down to -2.99",
  },
  {
    named: "100 requests without a failure, which a plain share would promote",
    evidence: evidenceWith({ gcm_failure_share: { value: 0, samples: 100 } }),
    why: "gcm_failure_share: 0 of 100 failed",
  },
  {
    named: "the sequential test succeeds, and the share is not below 0.1 %",
    evidence: evidenceWith({ gcm_failure_share: { value: 0.0015, samples: 20_000 } }),
    why: "a share of 0.0015 is not below 0.001",
  },
  {
    named: "one failure in 50 requests",
    evidence: evidenceWith({ gcm_failure_share: { value: 0.02, samples: 50 } }),
    why: "gcm_failure_share: 1 of 50 failed, a score of 1.413",
  },
  {
    named: "a safety alert is silenced",
    evidence: evidenceWith({}, { silences: { ok: true, over: [{ id: "s1", alerts: ["SCBENonceReuse"] }] } }),
    why: "a safety alert is silenced: s1 over SCBENonceReuse",
  },
  {
    named: "Alertmanager is away",
    evidence: evidenceWith({}, { silences: { ok: false, reason: "connect ECONNREFUSED" } }),
    why: "Alertmanager's silences: connect ECONNREFUSED",
  },
  {
    named: "the Watchdog has never come",
    evidence: evidenceWith({}, { watchdog_age_ms: null }),
    why: "the Watchdog alert has never come",
  },
  {
    named: "the Watchdog has stopped coming",
    evidence: evidenceWith({}, { watchdog_age_ms: 301_000 }),
    why: "the Watchdog alert has not come for 301 s",
  },
  {
    named: "50 to 100 % with one clean request too few",
    step: LAST,
    evidence: evidenceWith({ clean_requests: { value: 2994.9 } }),
    why: "clean_requests: 2994 of the 2995 that it takes before 100 %",
  },
  {
    named: "50 to 100 % with one failure among so many",
    step: LAST,
    evidence: evidenceWith({
      clean_requests: { value: 3500 },
      gcm_failure_share: { value: 1 / 7000, samples: 7000 },
    }),
    why: "clean_requests: 3500 of the 4742",
  },
  {
    named: "50 to 100 % by a person's override, while the sequential test has too few samples",
    step: { ...LAST, override: true },
    evidence: evidenceWith({ gcm_failure_share: { value: 0, samples: 200 } }),
    why: "gcm_failure_share: 0 of 200 failed",
  },
  {
    named: "a criterion was not measured at all",
    evidence: { ...evidenceWith(), measurements: evidenceWith().measurements.slice(1) },
    why: "nonce_reuse: no data",
  },
  {
    named: "a criterion fails, but the step has only just begun",
    now: T + 2 * MINUTE - 1,
    evidence: evidenceWith({ gcm_failure_share: { value: 0.5, samples: 40 } }),
    why: "gcm_failure_share: the step has only just begun",
  },
];

const ABORTS: readonly Case[] = [
  {
    named: "one nonce was reused, in the step's first second",
    now: T + 1000,
    evidence: evidenceWith({ nonce_reuse: { value: 1, samples: 2 } }),
    why: "nonce_reuse: 1 is not below 0.5",
  },
  {
    named: "one nonce was reused, and the guard that reported it is gone",
    evidence: evidenceWith({ nonce_reuse: { value: 1, samples: null } }),
    why: "nonce_reuse: 1 is not below 0.5",
  },
  {
    named: "three failures at once",
    now: T + 2 * MINUTE,
    evidence: evidenceWith({ gcm_failure_share: { value: 1, samples: 3 } }),
    why: "gcm_failure_share: 3 of 3 failed, a score of 4.827; from 4.55 on it is too many",
  },
  {
    named: "half a percent of many",
    evidence: evidenceWith({ gcm_failure_share: { value: 0.005, samples: 2000 } }),
    why: "10 of 2000 failed",
  },
  ...(["create_p99_ms", "verify_p99_ms"] as const).map((name) => ({
    named: `${name} is 25 ms`,
    evidence: evidenceWith({ [name]: { value: 25, samples: 300 } }),
    why: `${name}: 25 is not below 25`,
  })),
  {
    named: "the clocks are apart",
    evidence: evidenceWith({ phase_skew_p99_ms: { value: 1500 } }),
    why: "phase_skew_p99_ms: 1500 is not below 1000",
  },
  {
    named: "the kill switch is engaged, and nothing was measured",
    evidence: { ...evidenceWith({}, { killed: "investigating" }), measurements: [] },
    why: "kill switch: investigating",
  },
  {
    named: "a criterion fails, and no alert would arrive",
    evidence: evidenceWith(
      { verify_p99_ms: { value: 80 } },
      { silences: { ok: false, reason: "away" }, watchdog_age_ms: null },
    ),
    why: "verify_p99_ms: 80 is not below 25",
  },
  {
    named: "one end fails, and the other has no data",
    evidence: evidenceWith({ verify_p99_ms: { value: 80 }, create_p99_ms: NO_DATA }),
    why: "verify_p99_ms: 80 is not below 25",
  },
];

const verdictOf = ({ step = STEP, evidence = evidenceWith(), now = OVER }: Case) =>
  decide(step, evidence, now);

test.each(PROMOTES)("promotes: $named", (it) => {
  expect(verdictOf(it)).toMatchObject({ verdict: "promote" });
  expect(verdictOf(it).why.join("; ")).toContain(it.why);
});

test.each(HOLDS)("holds: $named", (it) => {
  expect(verdictOf(it)).toMatchObject({ verdict: "hold" });
  expect(verdictOf(it).why.join("; ")).toContain(it.why);
});

test.each(ABORTS)("aborts: $named", (it) => {
  expect(verdictOf(it)).toMatchObject({ verdict: "abort" });
  expect(verdictOf(it).why.join("; ")).toContain(it.why);
});

test("a decision has the outcome of each criterion, as in Argo", () => {
  const evidence = evidenceWith({
    verify_p99_ms: { value: 80 },
    create_p99_ms: NO_DATA,
    phase_skew_p99_ms: { value: null, error: "no answer" },
  });
  expect(decide(STEP, evidence, OVER).outcomes).toMatchObject({
    nonce_reuse: "Successful",
    verify_p99_ms: "Failed",
    create_p99_ms: "Inconclusive",
    phase_skew_p99_ms: "Error",
  });
});
