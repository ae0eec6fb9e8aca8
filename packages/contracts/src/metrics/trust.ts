import { TRUST_EVENT_RESULTS } from "./label-sets.ts";
import type { MetricRows } from "./metric-row.ts";

const OF = ["trust-scorer"] as const;

/** What a trust scorer shows. Only the one that leads says how providers stand, so that no two disagree. */
export const TRUST = {
  scbe_trust_score: {
    kind: "gauge",
    of: OF,
    help: "How far that provider is trusted by what its tellers agree on, from 0 (not to be used) to 1; absent where this scorer does not lead",
    unit: "ratio",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_trust_score_avg: {
    kind: "gauge",
    of: OF,
    help: "The mean of the scores of all providers; absent where this scorer does not lead",
    unit: "ratio",
    labels: {},
    from: "known",
  },
  scbe_trust_samples: {
    kind: "gauge",
    of: OF,
    help: "Outcomes that went into that provider's score; absent where this scorer does not lead",
    unit: "count",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_trust_excluded: {
    kind: "gauge",
    of: OF,
    help: "1 while that provider is out for its quality, for all, else 0; absent where this scorer does not lead",
    unit: "flag",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_trust_latched: {
    kind: "gauge",
    of: OF,
    help: "1 while that provider is out for its integrity, for all, until a person clears it, else 0; absent where this scorer does not lead",
    unit: "flag",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_trust_tellers_excluding: {
    kind: "gauge",
    of: OF,
    help: "Tellers whose own reports exclude that provider now, for themselves at least; absent where this scorer does not lead",
    unit: "count",
    labels: { provider: "providers" },
    from: "known",
  },
  scbe_trust_tellers_latching: {
    kind: "gauge",
    of: OF,
    help: "Tellers that saw that provider's integrity fail, and refuse it for themselves at least until a person clears it; absent where this scorer does not lead",
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
    help: "Messages of the trust stream that were not applied yet when it was last looked at; absent where this scorer does not lead",
    unit: "count",
    labels: {},
    from: "known",
  },
  scbe_trust_events_total: {
    kind: "counter",
    of: OF,
    help: "Messages of the trust stream that this scorer has read, by what became of them",
    unit: "count",
    labels: { result: TRUST_EVENT_RESULTS },
  },
} as const satisfies MetricRows;
