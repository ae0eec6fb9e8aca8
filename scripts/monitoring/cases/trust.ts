import type { AlertCases, CaseSeries } from "./alert-case.ts";
import { counter, gauge, series, type Value } from "./series.ts";

const LEADER = { job: "trust-scorer", instance: "trust-1:9" };
const OTHER = { ...LEADER, instance: "trust-2:9" };
const MINUTES = 30;

type At = (second: number) => Value;
type Metric =
  | "scbe_trust_latched"
  | "scbe_trust_tellers_latching"
  | "scbe_trust_excluded"
  | "scbe_trust_leading"
  | "scbe_trust_score_avg"
  | "scbe_trust_stream_lag";

function shown(metric: Metric, at: At, labels: Readonly<Record<string, string>> = {}): CaseSeries {
  return series(metric, { ...LEADER, ...labels }, gauge(MINUTES, at));
}

const of = (provider: string) => ({ provider });
const never: At = () => 0;
const always: At = () => 1;
const from =
  (start: number): At =>
  (second) =>
    second >= start ? 1 : 0;

const LATCHED = "scbe_trust_latched";

export const PROVIDER_LATCHED: AlertCases = {
  "a provider that is latched is a warning at once, and is named": {
    alert: "SCBEProviderLatched",
    series: [shown(LATCHED, from(300), of("xai")), shown(LATCHED, never, of("openai"))],
    minutes: 5,
    fires: {
      labels: { provider: "xai", severity: "warning" },
      notBefore: 4.75,
      says: "xai is latched for its integrity: no request is sent to it, and no response of it is accepted",
    },
  },
  "providers that are latched, all of them, are critical": {
    alert: "SCBEProviderLatched",
    series: [shown(LATCHED, from(300), of("xai")), shown(LATCHED, always, of("openai"))],
    minutes: 5,
    fires: {
      labels: { severity: "critical" },
      also: [
        { provider: "openai", severity: "warning" },
        { provider: "xai", severity: "warning" },
      ],
    },
  },
  "a latch stays an alert while another scorer takes over": {
    alert: "SCBEProviderLatched",
    series: [
      shown(LATCHED, (second) => (second < 600 ? 1 : "gone"), of("xai")),
      shown(LATCHED, (second) => (second < 600 ? 0 : "gone"), of("openai")),
    ],
    minutes: 11.5,
    fires: {
      labels: { provider: "xai", severity: "warning" },
      says: "xai is latched for its integrity: no request is sent to it, and no response of it is accepted",
    },
  },
  "providers without a latch are no alert": {
    alert: "SCBEProviderLatched",
    series: [shown(LATCHED, never, of("xai")), shown(LATCHED, never, of("openai"))],
    minutes: MINUTES,
    fires: "never",
  },
};

const LATCHING = "scbe_trust_tellers_latching";

export const PROVIDER_DOUBTED: AlertCases = {
  "a provider that one teller latches is a warning at once, and is named": {
    alert: "SCBEProviderDoubted",
    series: [
      ...[shown(LATCHING, from(300), of("xai")), shown(LATCHING, never, of("openai"))],
      ...[shown(LATCHED, never, of("xai")), shown(LATCHED, never, of("openai"))],
    ],
    minutes: 5,
    fires: {
      labels: { provider: "xai", severity: "warning" },
      notBefore: 4.75,
      says: "1 tellers saw an answer of xai fail its integrity and refuse it; for the others it is in use",
    },
  },
  "a provider that is latched for all is another alert": {
    alert: "SCBEProviderDoubted",
    series: [shown(LATCHING, always, of("xai")), shown(LATCHED, always, of("xai"))],
    minutes: MINUTES,
    fires: "never",
  },
};

const EXCLUDED = "scbe_trust_excluded";

export const PROVIDER_EXCLUDED: AlertCases = {
  "one provider of six that is excluded for half a minute at a time is one alert that continues": {
    alert: "SCBEProviderExcluded",
    series: [
      shown(EXCLUDED, (second) => (second >= 300 && second % 600 < 30 ? 1 : 0), of("groq")),
      ...["openai", "anthropic", "google", "perplexity", "xai"].map((provider) =>
        shown(EXCLUDED, never, of(provider)),
      ),
    ],
    minutes: 28,
    fires: {
      labels: { provider: "groq" },
      notBefore: 9.75,
      says: "groq is excluded, or was within 15m: other providers come before it",
    },
  },
  "an exclusion of the previous leader stays an alert": {
    alert: "SCBEProviderExcluded",
    series: [
      shown(EXCLUDED, (second) => (second < 600 ? from(300)(second) : "gone"), of("groq")),
      shown(EXCLUDED, (second) => (second >= 615 ? 0 : "gone"), { ...OTHER, ...of("groq") }),
    ],
    minutes: 12,
    fires: {
      labels: { provider: "groq" },
      says: "groq is excluded, or was within 15m: other providers come before it",
    },
  },
  "providers of which none is excluded are no alert": {
    alert: "SCBEProviderExcluded",
    series: [shown(EXCLUDED, never, of("groq")), shown(EXCLUDED, never, of("xai"))],
    minutes: MINUTES,
    fires: "never",
  },
};

const LEADING = "scbe_trust_leading";
const AVERAGE = "scbe_trust_score_avg";

export const TRUST_UNTOLD: AlertCases = {
  "scorers of which none leads are an alert after two minutes": {
    alert: "SCBETrustUntold",
    series: [
      shown(LEADING, (second) => (second < 300 ? 1 : 0)),
      shown(LEADING, never, OTHER),
      shown(AVERAGE, (second) => (second < 300 ? 1 : "gone")),
    ],
    minutes: 7,
    fires: {
      labels: {},
      notBefore: 6.75,
      says: "None of 2 trust scorers publishes trust: no exclusion and no latch is set",
    },
  },
  "a leader that cannot read its state, and publishes nothing, is the same alert": {
    alert: "SCBETrustUntold",
    series: [shown(LEADING, always)],
    minutes: 2,
    fires: { labels: {}, notBefore: 1.75 },
  },
  "a minute without a leader, as when another one takes over, is no alert": {
    alert: "SCBETrustUntold",
    series: [
      shown(LEADING, (second) => (second < 600 ? 1 : "gone")),
      shown(AVERAGE, (second) => (second < 600 ? 1 : "gone")),
      shown(LEADING, from(660), OTHER),
      shown(AVERAGE, (second) => (second >= 660 ? 1 : "gone"), OTHER),
    ],
    minutes: MINUTES,
    fires: "never",
  },
  "scorers that are not scraped are an absent target, and not this alert": {
    alert: "SCBETrustUntold",
    series: [],
    minutes: MINUTES,
    fires: "never",
  },
};

const LAG = "scbe_trust_stream_lag";

export const TRUST_LAG: AlertCases = {
  "a lag that grows is an alert five minutes after it is above the limit": {
    alert: "SCBETrustLag",
    series: [shown(LAG, (second) => 5 * second)],
    minutes: 8.5,
    fires: { labels: {}, notBefore: 8.25, says: "2550 messages of the trust stream wait to be applied" },
  },
  "a lag that ends within minutes is no alert": {
    alert: "SCBETrustLag",
    series: [shown(LAG, (second) => (second > 300 && second < 540 ? 50_000 : 0))],
    minutes: MINUTES,
    fires: "never",
  },
  "a few waiting messages are no alert": {
    alert: "SCBETrustLag",
    series: [shown(LAG, () => 300)],
    minutes: MINUTES,
    fires: "never",
  },
};

const ORCHESTRATOR = { job: "orchestrator", instance: "orchestrator-1:9" };

function reports(result: string, at: number): CaseSeries {
  const labels = { ...ORCHESTRATOR, result };
  return series(
    "scbe_outcome_reports_total",
    labels,
    counter(MINUTES, (second) => (second === at ? 3 : 0)),
  );
}

export const OUTCOMES_LOST: AlertCases = {
  "outcomes that a client has dropped are an alert": {
    alert: "SCBEOutcomesLost",
    series: [reports("dropped", 300)],
    minutes: 6,
    fires: {
      labels: { ...ORCHESTRATOR, result: "dropped" },
      notBefore: 4.75,
      says: "orchestrator-1:9 has lost outcomes that it had to report to the trust scorer",
    },
  },
  "outcomes that are reported at a later try are no alert": {
    alert: "SCBEOutcomesLost",
    series: [reports("failed", 300), reports("acknowledged", 315)],
    minutes: MINUTES,
    fires: "never",
  },
};
