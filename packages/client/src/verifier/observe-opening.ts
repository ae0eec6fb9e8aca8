import { type OpeningObserver, REFUSALS, type Refusal } from "@scbe/envelope";
import { Counter, type Registry } from "@scbe/service-kit";

const PHASES = ["request", "response"] as const;

/**
 * Counts openings. Reasons are a closed set, and every label set of a served provider exists from the start at 0: a series
 * that is born at 1 has no increase for an alert to see.
 */
export function observeOpening(metrics: Registry, providers: readonly string[]): OpeningObserver {
  const openings = counter(
    metrics,
    "scbe_envelope_openings_total",
    "Envelopes that were opened or refused, by reason",
    ["phase", "provider", "result"],
  );
  const gcmFailures = counter(
    metrics,
    "scbe_gcm_failures_total",
    "Envelopes whose authentication tag did not verify",
    ["provider"],
  );
  const noise = counter(metrics, "scbe_fail_to_noise_count", "Requests that were answered with noise", [
    "provider",
  ]);
  const results: readonly string[] = ["opened", ...Object.keys(REFUSALS)];
  for (const provider of providers) {
    gcmFailures.inc({ provider }, 0);
    noise.inc({ provider }, 0);
    for (const phase of PHASES) for (const result of results) openings.inc({ phase, provider, result }, 0);
  }
  const isOwn = (provider: string): boolean => providers.includes(provider);
  return {
    released: ({ phase, provider }) => openings.inc({ phase, provider, result: "opened" }),
    refused: ({ phase, provider, reason }: { phase: string; provider: string; reason: Refusal }) => {
      if (!isOwn(provider)) return;
      openings.inc({ phase, provider, result: reason });
      if (reason === "tag") gcmFailures.inc({ provider });
      if (phase === "request") noise.inc({ provider });
    },
  };
}

/** The registry's own of that name where another client of the process has registered it. */
function counter<L extends string>(
  metrics: Registry,
  name: string,
  help: string,
  labelNames: readonly L[],
): Counter<L> {
  const known = metrics.getSingleMetric(name) as Counter<L> | undefined;
  return known ?? new Counter({ name, help, labelNames: [...labelNames], registers: [metrics] });
}
