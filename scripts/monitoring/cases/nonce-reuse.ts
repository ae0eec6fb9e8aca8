import type { AlertCases, CaseSeries } from "./alert-case.ts";
import { gauge, series, type Values, withGap } from "./series.ts";

const ALERT = "SCBENonceReuse";
const GUARD = { job: "replay-guard", instance: "guard-1:9" };
const GAP = { fromMinute: 20, minutes: 15 };

/** The metrics of a guard that started at that second. */
function guard(count: Values, { startS = -86_400, provider = "openai" } = {}): readonly CaseSeries[] {
  const started = count.map((value) => (value === undefined ? undefined : startS));
  return [
    series("scbe_nonce_reuse_count", { ...GUARD, provider }, count),
    series("process_start_time_seconds", GUARD, started),
  ];
}

/** A count that is `after` from that minute on, and `before` until then. */
function steps(minutes: number, atMinute: number, before: number | undefined, after: number): Values {
  return gauge(minutes, (second) => (second >= atMinute * 60 ? after : before));
}

export const NONCE_REUSE: AlertCases = {
  "one reuse is an alert at once, and names the provider": {
    alert: ALERT,
    series: [
      ...guard(steps(20, 10, 0, 1)),
      series("scbe_nonce_reuse_count", { ...GUARD, provider: "google" }, steps(20, 10, 0, 0)),
    ],
    minutes: 10,
    fires: {
      labels: { provider: "openai" },
      notBefore: 9.75,
      says: "Nonce reuse count: 1, provider openai",
    },
  },
  "a reuse that started with the process, so that its count was never scraped at 0, is an alert": {
    alert: ALERT,
    series: guard(steps(30, 10, undefined, 1), { startS: 590 }),
    minutes: 10,
    fires: { labels: { provider: "openai" }, notBefore: 9.75 },
    runbookIsWrong: true,
  },
  "a reuse that fell into fifteen minutes without data is an alert after them": {
    alert: ALERT,
    series: guard(withGap(steps(45, 25, 0, 1), GAP)),
    minutes: 35,
    fires: { labels: { provider: "openai" }, notBefore: 34.75 },
    runbookIsWrong: true,
  },
  "a reuse of a process that started in fifteen minutes without data is an alert after them": {
    alert: ALERT,
    series: guard(
      withGap(
        gauge(45, () => 1),
        { fromMinute: 0, minutes: 35 },
      ),
      { startS: 1800 },
    ),
    minutes: 35,
    fires: { labels: { provider: "openai" }, notBefore: 34.75 },
    runbookIsWrong: true,
  },
  "fifteen minutes without data are no alert over a count that is old": {
    alert: ALERT,
    series: guard(
      withGap(
        gauge(60, () => 1),
        GAP,
      ),
    ),
    minutes: 60,
    fires: "never",
  },
  "a Prometheus without a past raises no alert over a count that is old": {
    alert: ALERT,
    series: guard(steps(40, 20, undefined, 3)),
    minutes: 40,
    fires: "never",
  },
  "a guard that restarts, and counts from 0 again, is no alert": {
    alert: ALERT,
    series: guard(steps(40, 20, 2, 0)),
    minutes: 40,
    fires: "never",
  },
  "a reuse right after a restart is an alert, though the count is lower than before": {
    alert: ALERT,
    series: guard(steps(40, 20, 2, 1)),
    minutes: 20,
    fires: { labels: { provider: "openai" }, notBefore: 19.75 },
  },
  "a guard that never saw a reuse is no alert": {
    alert: ALERT,
    series: guard(
      gauge(30, () => 0),
      { startS: 0 },
    ),
    minutes: 30,
    fires: "never",
  },
  "no data is no alert of a reuse": { alert: ALERT, series: [], minutes: 30, fires: "never" },
};
