import type { AlertCases, CaseSeries } from "./alert-case.ts";
import { between, counter, eachScrape, every, type Increment, nothing, series, withGap } from "./series.ts";

const ALERT = "SCBEGCMFailureRate";

/** The checked and the failed tags of one instance. */
function tags(
  minutes: number,
  attempts: Increment,
  failures: Increment,
  { provider = "openai", instance = "gateway-1:9" } = {},
): readonly CaseSeries[] {
  const labels = { job: "gateway", instance, provider };
  return [
    series("scbe_gcm_attempts_total", labels, counter(minutes, attempts)),
    series("scbe_gcm_failures_total", labels, counter(minutes, failures)),
  ];
}

function tagsWithGap(minutes: number, attempts: Increment, failures: Increment): readonly CaseSeries[] {
  const gap = { fromMinute: 20, minutes: 15 };
  const labels = { job: "gateway", instance: "gateway-1:9", provider: "openai" };
  return [
    series("scbe_gcm_attempts_total", labels, withGap(counter(minutes, attempts), gap)),
    series("scbe_gcm_failures_total", labels, withGap(counter(minutes, failures), gap)),
  ];
}

/** 2 % of 150 tags a scrape, from minute 10 on. */
const failing: Increment = (second) => (second > 600 ? 3 : 0);

/** By the first rule, until a person releases it a minute later. */
const switchedOff = (second: number): boolean => second > 3015 && second <= 3075;

export const GCM_FAILURE_RATE: AlertCases = {
  "many failures a second are no alert while they are a tiny share": {
    alert: ALERT,
    series: tags(30, eachScrape(15_000), eachScrape(1)),
    minutes: 30,
    fires: "never",
    runbookIsWrong: true,
  },
  "a provider whose every tag fails is an alert, also at one request in five minutes": {
    alert: ALERT,
    series: tags(40, every(5), every(5)),
    minutes: 25.25,
    fires: { labels: { provider: "openai" }, notBefore: 24.75 },
    runbookIsWrong: true,
  },
  "a burst of thirty seconds is no alert": {
    alert: ALERT,
    series: tags(60, eachScrape(150), between(600, 630, eachScrape(150))),
    minutes: 60,
    fires: "never",
    runbookIsWrong: true,
  },
  "a burst of thirty seconds that is all there is in half an hour is no alert": {
    alert: ALERT,
    series: tags(60, between(700, 730, eachScrape(50)), between(700, 730, eachScrape(50))),
    minutes: 60,
    fires: "never",
    runbookIsWrong: true,
  },
  "a burst of thirty seconds over the border of two slots is no alert": {
    alert: ALERT,
    series: tags(60, between(885, 915, eachScrape(50)), between(885, 915, eachScrape(50))),
    minutes: 60,
    fires: "never",
    runbookIsWrong: true,
  },
  "a share of 2 % that stays is an alert after five minutes, with the share": {
    alert: ALERT,
    series: [
      ...tags(20, eachScrape(150), failing),
      ...tags(20, eachScrape(150), nothing, { provider: "google", instance: "gateway-2:9" }),
    ],
    minutes: 15.75,
    fires: {
      labels: { provider: "openai", window: "2m" },
      notBefore: 15.5,
      says: "GCM authentication failures: 2% of the tags checked in 2m, provider openai",
    },
  },
  "repeated failures at low traffic are an alert with their share of half an hour": {
    alert: ALERT,
    series: tags(40, every(1), every(4)),
    minutes: 20.25,
    fires: {
      labels: { provider: "openai", window: "30m" },
      notBefore: 19.75,
      says: "GCM authentication failures: 25% of the tags checked in 30m, provider openai",
    },
  },
  "failures that ended as they were switched off fire no second time, when the last of their slots is over": {
    alert: ALERT,
    series: tags(75, (second) => (switchedOff(second) ? 0 : 50), between(2685, 3015, eachScrape(5))),
    minutes: 75,
    fires: { labels: { provider: "openai", window: "2m" }, notBefore: 49.75 },
  },
  "instances count together: one that fails for all of its few is no alert among many that do not": {
    alert: ALERT,
    series: [
      ...tags(30, eachScrape(1), eachScrape(1)),
      ...tags(30, eachScrape(1500), nothing, { instance: "gateway-2:9" }),
    ],
    minutes: 30,
    fires: "never",
    runbookIsWrong: true,
  },
  "one failure at low traffic is no alert": {
    alert: ALERT,
    series: tags(60, every(1), between(600, 660, every(1))),
    minutes: 60,
    fires: "never",
  },
  "four failures in eight minutes are no alert while there is one request a minute": {
    alert: ALERT,
    series: tags(40, every(1), between(600, 1080, every(2))),
    minutes: 40,
    fires: "never",
  },
  "an idle instance is no alert, though its share is not a number": {
    alert: ALERT,
    series: tags(30, nothing, nothing),
    minutes: 30,
    fires: "never",
  },
  "no data is no alert of failures": { alert: ALERT, series: [], minutes: 30, fires: "never" },
  "fifteen minutes without data are no alert of failures": {
    alert: ALERT,
    series: tagsWithGap(60, eachScrape(150), between(0, 120, eachScrape(1))),
    minutes: 60,
    fires: "never",
  },
  "a restart, from which on counters count from 0, is no alert": {
    alert: ALERT,
    series: [
      { series: 'scbe_gcm_attempts_total{instance="a:1",provider="openai"}', values: "9000+150x60 0+150x60" },
      { series: 'scbe_gcm_failures_total{instance="a:1",provider="openai"}', values: "40x60 0x60" },
    ],
    minutes: 30,
    fires: "never",
  },
};
