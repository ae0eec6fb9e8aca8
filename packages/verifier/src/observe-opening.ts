import type { OpeningObserver, TagCheck } from "@scbe/envelope";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter, histogram } from "@scbe/runtime";
import type { VerifierScope } from "./verifier-scope.ts";

/**
 * Counts and times openings. Every label set exists from the start at 0: a series that is born at 1 has no increase for an
 * alert to see. Times and skews are those of authentic envelopes alone, so that junk can move neither.
 */
export function observeOpening(
  metrics: MetricsRegistry,
  { providers, opens }: VerifierScope,
  onTag: (check: TagCheck) => void,
): OpeningObserver {
  const ofPhase = { phase: opens, provider: providers };
  const verifyMs = histogram(metrics, "scbe_envelope_verify_ms", ofPhase);
  const skewMs = histogram(metrics, "scbe_phase_skew_ms", ofPhase);
  const openings = counter(metrics, "scbe_envelope_openings_total", ofPhase);
  const attempts = counter(metrics, "scbe_gcm_attempts_total", { provider: providers });
  const failures = counter(metrics, "scbe_gcm_failures_total", { provider: providers });
  const noise = opens.includes("request")
    ? counter(metrics, "scbe_fail_to_noise_count", { provider: providers })
    : undefined;
  return {
    tagChecked: (check) => {
      onTag(check);
      const { provider, verified } = check;
      attempts.inc({ provider });
      if (!verified) failures.inc({ provider });
    },
    verified: ({ phase, provider, ms, skewMs: skew }) => {
      verifyMs.observe({ phase, provider }, ms);
      skewMs.observe({ phase, provider }, Math.abs(skew));
    },
    released: ({ phase, provider }) => openings.inc({ phase, provider, result: "opened" }),
    refused: ({ phase, provider, reason }) => {
      openings.inc({ phase, provider, result: reason });
      if (phase === "request") noise?.inc({ provider });
    },
  };
}
