import {
  isExcluded,
  isExcludedBy,
  type ProviderTrust,
  samplesOf,
  type TellerTrust,
  type TrustDocument,
  type TrustEventResult,
  trustIn,
  trustScore,
} from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter, watchGauge } from "@scbe/runtime";

/** What the metrics read. */
export interface TrustSource {
  leading(): boolean;
  /** ms since the Unix epoch */
  now(): number;
  /** undefined: this scorer does not lead, or has not read the state yet. */
  inForce(): { readonly document: TrustDocument; readonly lag: number } | undefined;
}

/** Counts the messages of the trust stream that were read. */
export function countEvents(registry: MetricsRegistry): (result: TrustEventResult) => void {
  const events = counter(registry, "scbe_trust_events_total");
  return (result) => events.inc({ result });
}

/** Gauges of the trust of each provider, until it is disposed of. */
export function watchTrust(
  registry: MetricsRegistry,
  providers: readonly string[],
  source: TrustSource,
): Disposable {
  const stack = new DisposableStack();
  const ofEach = (value: (trust: ProviderTrust, now: number) => number) => {
    const document = source.inForce()?.document;
    if (document === undefined) return [];
    const now = source.now();
    return providers.map((provider) => [{ provider }, value(trustIn(document, provider), now)] as const);
  };
  const mean = () => {
    const scores = ofEach(trustScore).map(([, score]) => score);
    return scores.length === 0
      ? []
      : [[{}, scores.reduce((sum, it) => sum + it, 0) / scores.length] as const];
  };
  stack.use(watchGauge(registry, "scbe_trust_score", () => ofEach(trustScore)));
  stack.use(watchGauge(registry, "scbe_trust_score_avg", mean));
  stack.use(watchGauge(registry, "scbe_trust_samples", () => ofEach(samplesOf)));
  stack.use(
    watchGauge(registry, "scbe_trust_excluded", () =>
      ofEach((trust, now) => (isExcluded(trust, now) ? 1 : 0)),
    ),
  );
  stack.use(
    watchGauge(registry, "scbe_trust_latched", () => ofEach(({ latch }) => (latch === null ? 0 : 1))),
  );
  const against = (isAgainst: (row: TellerTrust, now: number) => boolean) =>
    ofEach(({ tellers }, now) => Object.values(tellers).filter((row) => isAgainst(row, now)).length);
  stack.use(watchGauge(registry, "scbe_trust_tellers_excluding", () => against(isExcludedBy)));
  stack.use(
    watchGauge(registry, "scbe_trust_tellers_latching", () => against(({ latch }) => latch !== null)),
  );
  stack.use(watchGauge(registry, "scbe_trust_leading", () => [[{}, source.leading() ? 1 : 0]]));
  stack.use(
    watchGauge(registry, "scbe_trust_stream_lag", () => {
      const inForce = source.inForce();
      return inForce === undefined ? [] : [[{}, inForce.lag]];
    }),
  );
  return stack;
}
