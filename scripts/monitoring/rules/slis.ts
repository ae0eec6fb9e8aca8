import { promDuration } from "../prom-duration.ts";

/*
 * What alerts, recordings and the dashboard measure, each a PromQL expression by provider. Sums come before quotients and
 * quantiles: an instance that idles has an opinion of one sample.
 */

/** Share of the checked tags that did not verify, 0 to 1; NaN where none was checked. */
export function gcmFailureShare(windowMs: number): string {
  const window = promDuration(windowMs);
  return [
    `sum by (provider) (rate(scbe_gcm_failures_total[${window}]))`,
    `/ sum by (provider) (rate(scbe_gcm_attempts_total[${window}]))`,
  ].join("\n");
}

/** How many tags were checked: what {@link gcmFailureShare} stands on. */
export function gcmAttempts(windowMs: number): string {
  return `sum by (provider) (increase(scbe_gcm_attempts_total[${promDuration(windowMs)}]))`;
}

/** A histogram of the envelope's work, in milliseconds. */
export type EnvelopeHistogram = "scbe_envelope_create_ms" | "scbe_envelope_verify_ms" | "scbe_phase_skew_ms";

/** A quantile over all instances; NaN where nothing was observed. */
export function quantile(share: number, histogram: EnvelopeHistogram, windowMs: number): string {
  const rates = `sum by (le, provider) (rate(${histogram}_bucket[${promDuration(windowMs)}]))`;
  return `histogram_quantile(${share}, ${rates})`;
}

/** How many observations there were: what {@link quantile} stands on. */
export function samples(histogram: EnvelopeHistogram, windowMs: number): string {
  return `sum by (provider) (increase(${histogram}_count[${promDuration(windowMs)}]))`;
}
