import { TRUST_EVENT_RESULTS } from "./label-sets.ts";
import type { MetricRows } from "./metric-row.ts";

const OF = ["trust-scorer"] as const;

/** The metrics of a trust scorer. Only the leader exports those of providers, so that no two disagree. */
export const TRUST = {
  scbe_trust_score: {
    kind: "gauge",
    of: OF,
    help: "Trust in that provider on which its tellers agree, from 0 (not to be used) to 1; absent if this scorer does not lead",
    unit: "ratio",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_trust_score_avg: {
    kind: "gauge",
    of: OF,
    help: "The mean of the scores of all providers; absent if this scorer does not lead",
    unit: "ratio",
    labels: {},
    from: "known",
  },
  scbe_trust_samples: {
    kind: "gauge",
    of: OF,
    help: "Outcomes that went into that provider's score; absent if this scorer does not lead",
    unit: "count",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_trust_excluded: {
    kind: "gauge",
    of: OF,
    help: "1 while that provider is excluded for its quality, for all, else 0; absent if this scorer does not lead",
    unit: "flag",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_trust_latched: {
    kind: "gauge",
    of: OF,
    help: "1 while that provider is latched for its integrity, for all, until an operator clears it, else 0; absent if this scorer does not lead",
    unit: "flag",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_trust_tellers_excluding: {
    kind: "gauge",
    of: OF,
    help: "Tellers with reports that exclude that provider now, at least for themselves; absent if this scorer does not lead",
    unit: "count",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_trust_tellers_latching: {
    kind: "gauge",
    of: OF,
    help: "Tellers that saw that provider's integrity fail, and refuse it, at least for themselves, until an operator clears it; absent if this scorer does not lead",
    unit: "count",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_trust_leading: {
    kind: "gauge",
    of: OF,
    help: "1 while this scorer leads, else 0",
    unit: "flag",
    labels: {},
  },
  scbe_trust_stream_lag: {
    kind: "gauge",
    of: OF,
    help: "Messages of the trust stream that were not applied yet at the last check; absent if this scorer does not lead",
    unit: "count",
    labels: {},
    from: "known",
  },
  scbe_trust_events_total: {
    kind: "counter",
    of: OF,
    help: "Messages of the trust stream that this scorer read, by result",
    unit: "count",
    labels: { result: TRUST_EVENT_RESULTS },
  },
} as const satisfies MetricRows;
