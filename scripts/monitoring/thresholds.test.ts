import { CRITERIA } from "@scbe/rollback-controller/canary/criteria";
import { SEQUENTIAL } from "@scbe/rollback-controller/canary/sequential-test";
import { expect, test } from "vitest";
import { THRESHOLDS } from "./thresholds.ts";

const { limits } = THRESHOLDS;

test.each([
  ["gcm_failure_share", limits.canaryGcmFailureShareMax],
  ["create_p99_ms", limits.canaryEnvelopeP99MaxMs],
  ["verify_p99_ms", limits.canaryEnvelopeP99MaxMs],
  ["phase_skew_p99_ms", limits.canarySkewP99MaxMs],
])("the canary holds %s to the limit of the dashboard", (name, limit) => {
  expect(CRITERIA.find((criterion) => criterion.name === name)?.limit).toBe(limit);
});

test("the canary's sequential test tells the canary's share of failures from the alert's", () => {
  expect(SEQUENTIAL).toMatchObject({ p0: limits.canaryGcmFailureShareMax, p1: limits.gcmFailureShareMax });
});
