import type { AlertCases, CaseSeries } from "./alert-case.ts";
import { gauge, series, type Value } from "./series.ts";

const ALERT = "SCBETrustDegraded";
const SCORER = { job: "trust-scorer", instance: "trust-1:9" };
const OTHER = { ...SCORER, instance: "trust-2:9" };

type At = (second: number) => Value;

function average(minutes: number, at: At, scorer = SCORER): readonly CaseSeries[] {
  return [series("scbe_trust_score_avg", scorer, gauge(minutes, at))];
}

/** The metrics of two scorers; the first one dies at the tenth minute. */
function takenOver(minutes: number, gapS: number, value: number): readonly CaseSeries[] {
  return [
    ...average(minutes, (second) => (second < 600 ? value : "gone")),
    ...average(minutes, (second) => (second >= 600 + gapS ? value : "gone"), OTHER),
  ];
}

export const TRUST_DEGRADED: AlertCases = {
  "an average trust below the limit is an alert after five minutes, with the average": {
    alert: ALERT,
    series: average(20, (second) => (second >= 600 ? 0.25 : 1)),
    minutes: 15,
    fires: { labels: {}, notBefore: 14.75, says: "Average trust score: 0.25" },
  },
  "the alert goes on when the leading scorer dies and another one takes over a minute later": {
    alert: ALERT,
    series: takenOver(20, 60, 0.25),
    minutes: 11.5,
    fires: { labels: {}, notBefore: 4.75, says: "Average trust score: 0.25" },
  },
  "the death of the leader does not restart the wait of the alert": {
    alert: ALERT,
    series: [
      ...average(20, (second) => (second < 420 ? 1 : second < 600 ? 0.25 : "gone")),
      ...average(20, (second) => (second >= 660 ? 0.25 : "gone"), OTHER),
    ],
    minutes: 12,
    fires: { labels: {}, notBefore: 11.75 },
  },
  "a good average is no alert while another scorer takes over": {
    alert: ALERT,
    series: takenOver(20, 60, 0.9),
    minutes: 20,
    fires: "never",
  },
  "the last leader's value is void when the next leader publishes a better one": {
    alert: ALERT,
    series: [
      ...average(20, (second) => (second >= 360 && second < 600 ? 0.1 : second < 360 ? 1 : "gone")),
      ...average(20, (second) => (second >= 615 ? 1 : "gone"), OTHER),
    ],
    minutes: 20,
    fires: "never",
  },
  "an average at the limit is no alert": {
    alert: ALERT,
    series: average(20, () => 0.5),
    minutes: 20,
    fires: "never",
  },
  "a dip of four minutes is no alert of trust": {
    alert: ALERT,
    series: average(20, (second) => (second > 300 && second < 540 ? 0.1 : 1)),
    minutes: 20,
    fires: "never",
  },
  "an average of no samples, which is not a number, is no alert": {
    alert: ALERT,
    series: average(20, () => Number.NaN),
    minutes: 20,
    fires: "never",
  },
  "no data is no alert of trust": { alert: ALERT, series: [], minutes: 20, fires: "never" },
};
