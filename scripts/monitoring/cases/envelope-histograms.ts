import { METRICS } from "@scbe/contracts";
import type { AlertCases, CaseSeries } from "./alert-case.ts";
import {
  between,
  counter,
  eachScrape,
  every,
  histogram,
  type Increment,
  nothing,
  type Observations,
  series,
} from "./series.ts";

const VERIFY = "scbe_envelope_verify_ms";
const SKEW = "scbe_phase_skew_ms";
const FAST: Observations = { size: 2, increment: eachScrape(150) };

interface Seen {
  readonly minutes: number;
  readonly of: readonly Observations[];
  readonly instance?: string;
  readonly bounds?: readonly number[];
}

function observed(
  name: typeof VERIFY | typeof SKEW,
  { instance = "gateway-1:9", bounds = METRICS[name].bounds, minutes, of }: Seen,
): readonly CaseSeries[] {
  const labels = { job: "gateway", instance, phase: "request", provider: "openai" };
  return histogram(name, labels, { bounds, minutes, of });
}

export const HIGH_LATENCY: AlertCases = {
  "verification that is slow for five minutes is an alert with the latency": {
    alert: "SCBEHighLatency",
    series: observed(VERIFY, { minutes: 10, of: [{ size: 80, increment: eachScrape(150) }] }),
    minutes: 5.25,
    fires: {
      labels: { provider: "openai" },
      notBefore: 5,
      says: "P99 latency: 99.5ms, provider openai",
    },
  },
  "an instance that is slow with its one request now and then is no alert among many fast ones": {
    alert: "SCBEHighLatency",
    series: [
      ...observed(VERIFY, { minutes: 40, of: [FAST] }),
      ...observed(VERIFY, {
        minutes: 40,
        instance: "gateway-2:9",
        of: [{ size: 80, increment: every(3) }],
      }),
    ],
    minutes: 40,
    fires: "never",
    runbookIsWrong: true,
  },
  "thirty seconds of slow verification are no alert": {
    alert: "SCBEHighLatency",
    series: observed(VERIFY, {
      minutes: 30,
      of: [FAST, { size: 80, increment: between(600, 630, eachScrape(150)) }],
    }),
    minutes: 30,
    fires: "never",
    runbookIsWrong: true,
  },
  "a slow one among too few for a percentile is no alert": {
    alert: "SCBEHighLatency",
    series: observed(VERIFY, { minutes: 40, of: [{ size: 80, increment: every(1) }] }),
    minutes: 40,
    fires: "never",
    runbookIsWrong: true,
  },
  "verification that stays below the limit is no alert": {
    alert: "SCBEHighLatency",
    series: observed(VERIFY, { minutes: 30, of: [{ size: 49, increment: eachScrape(150) }] }),
    minutes: 30,
    fires: "never",
  },
  "an idle opener is no alert, though its percentile is not a number": {
    alert: "SCBEHighLatency",
    series: observed(VERIFY, { minutes: 30, of: [{ size: 80, increment: nothing }] }),
    minutes: 30,
    fires: "never",
  },
  "no data is no alert of latency": { alert: "SCBEHighLatency", series: [], minutes: 30, fires: "never" },
};

const SKEWED = { minutes: 20, of: [{ size: 3000, increment: eachScrape(150) }] };

export const PHASE_SKEW: AlertCases = {
  "a skew above the limit is an alert after ten minutes; a histogram that ends at the limit cannot tell": {
    alert: "SCBEPhaseSkew",
    series: observed(SKEW, SKEWED),
    minutes: 10.25,
    fires: {
      labels: { provider: "openai" },
      notBefore: 10,
      says: "P99 phase skew: 4970ms, provider openai",
    },
    runbookIsWrong: observed(SKEW, { ...SKEWED, bounds: [10, 50, 100, 500, 1000, 2000] }),
  },
  "thirty seconds of skew are no alert": {
    alert: "SCBEPhaseSkew",
    series: observed(SKEW, {
      minutes: 40,
      of: [FAST, { size: 3000, increment: between(900, 930, eachScrape(150)) }],
    }),
    minutes: 40,
    fires: "never",
    runbookIsWrong: true,
  },
  "a skew just below the limit is no alert": {
    alert: "SCBEPhaseSkew",
    series: observed(SKEW, { minutes: 40, of: [{ size: 1990, increment: eachScrape(150) }] }),
    minutes: 40,
    fires: "never",
  },
  "an instance with a skew and one request now and then is no alert among many without": {
    alert: "SCBEPhaseSkew",
    series: [
      ...observed(SKEW, { minutes: 60, of: [FAST] }),
      ...observed(SKEW, { minutes: 60, instance: "gateway-2:9", of: [{ size: 3000, increment: every(4) }] }),
    ],
    minutes: 60,
    fires: "never",
    runbookIsWrong: true,
  },
  "a skew of too few for a percentile is no alert": {
    alert: "SCBEPhaseSkew",
    series: observed(SKEW, { minutes: 40, of: [{ size: 3000, increment: every(1) }] }),
    minutes: 40,
    fires: "never",
    runbookIsWrong: true,
  },
  "an idle opener is no alert of skew": {
    alert: "SCBEPhaseSkew",
    series: observed(SKEW, { minutes: 30, of: [] }),
    minutes: 30,
    fires: "never",
  },
  "no data is no alert of skew": { alert: "SCBEPhaseSkew", series: [], minutes: 30, fires: "never" },
};

/** An opener with tags that do not verify and verifications of 80 ms, for the recorded measurements. */
export function openerOf(increment: Increment, instance = "gateway-1:9"): readonly CaseSeries[] {
  const labels = { job: "gateway", instance, provider: "openai" };
  return [
    ...observed(VERIFY, { minutes: 30, instance, of: [{ size: 80, increment }] }),
    series("scbe_gcm_attempts_total", labels, counter(30, increment)),
    series("scbe_gcm_failures_total", labels, counter(30, increment)),
  ];
}
