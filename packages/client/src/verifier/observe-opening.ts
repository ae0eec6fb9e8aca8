import { type OpeningObserver, REFUSALS, type Refusal } from "@scbe/envelope";
import { Counter, type Registry } from "@scbe/service-kit";

const PHASES = ["request", "response"] as const;

/**
 * Counts openings. Reasons are a closed set, and every label set of a served provider exists from the start at 0: a series
 * that is born at 1 has no increase for an alert to see.
 */
export function observeOpening(metrics: Registry, providers: readonly string[]): OpeningObserver {
  const registers = [metrics];
  const openings = new Counter({
    name: "scbe_envelope_openings_total",
    help: "Envelopes that were opened or refused, by reason",
    labelNames: ["phase", "provider", "result"] as const,
    registers,
  });
  const gcmFailures = new Counter({
    name: "scbe_gcm_failures_total",
    help: "Envelopes whose authentication tag did not verify",
    labelNames: ["provider"] as const,
    registers,
  });
  const noise = new Counter({
    name: "scbe_fail_to_noise_count",
    help: "Requests that were answered with noise",
    labelNames: ["provider"] as const,
    registers,
  });
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
