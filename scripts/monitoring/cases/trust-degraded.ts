import type { AlertCases, CaseSeries } from "./alert-case.ts";
import { gauge, series } from "./series.ts";

const ALERT = "SCBETrustDegraded";
const SCORER = { job: "trust-scorer", instance: "trust-1:9" };

function average(minutes: number, at: (second: number) => number): readonly CaseSeries[] {
  return [series("scbe_trust_score_avg", SCORER, gauge(minutes, at))];
}

export const TRUST_DEGRADED: AlertCases = {
  "an average trust below the limit is an alert after five minutes, and says it": {
    alert: ALERT,
    series: average(20, (second) => (second >= 600 ? 0.25 : 1)),
    minutes: 15,
    fires: { who: SCORER, notBefore: 14.75, says: "Average trust score: 0.25" },
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
  "an average of nothing, which is not a number, is no alert": {
    alert: ALERT,
    series: average(20, () => Number.NaN),
    minutes: 20,
    fires: "never",
  },
  "no data is no alert of trust": { alert: ALERT, series: [], minutes: 20, fires: "never" },
};
