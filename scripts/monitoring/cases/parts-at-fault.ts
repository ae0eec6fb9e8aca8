import type { AlertCases, CaseSeries } from "./alert-case.ts";
import {
  counter,
  eachScrape,
  gauge,
  type Increment,
  nothing,
  series,
  type Values,
  withGap,
} from "./series.ts";

const GATEWAY = { job: "gateway", instance: "gateway-1:9" };

const FORMER = 1_700_000_000_000;
const LATER = FORMER + 600_000;

function epoch(...guards: readonly Values[]): readonly CaseSeries[] {
  return guards.map((values, index) =>
    series("scbe_replay_epoch_generation", { job: "replay-guard", instance: `guard-${index + 1}:9` }, values),
  );
}

export const EPOCH_CHANGED: AlertCases = {
  "a new epoch is an alert at once, though another guard still has the former one": {
    alert: "SCBEEpochChanged",
    series: epoch(
      gauge(14, (second) => (second >= 600 ? LATER : FORMER)),
      gauge(14, (second) => (second >= 660 ? LATER : FORMER)),
    ),
    minutes: 10,
    fires: {
      labels: {},
      notBefore: 9.75,
      says: "The epoch now in force is generation 1700000600000; requests in flight cost one fresh envelope each",
    },
  },
  "a new epoch is an alert after an outage without any": {
    alert: "SCBEEpochChanged",
    series: epoch(gauge(40, (second) => (second < 600 ? FORMER : second < 2100 ? 0 : LATER))),
    minutes: 35,
    fires: { labels: {}, notBefore: 34.75 },
  },
  "the first epoch of a deployment is no alert": {
    alert: "SCBEEpochChanged",
    series: epoch(gauge(40, (second) => (second < 300 ? 0 : FORMER))),
    minutes: 40,
    fires: "never",
  },
  "an outage that ends with the same epoch is no alert": {
    alert: "SCBEEpochChanged",
    series: epoch(gauge(40, (second) => (second > 600 && second < 900 ? 0 : FORMER))),
    minutes: 40,
    fires: "never",
  },
  "fifteen minutes without data are no change of the epoch": {
    alert: "SCBEEpochChanged",
    series: epoch(
      withGap(
        gauge(60, () => FORMER),
        { fromMinute: 20, minutes: 15 },
      ),
    ),
    minutes: 60,
    fires: "never",
  },
};

function openings(opened: Increment, refused: Increment, { instance, job } = GATEWAY): readonly CaseSeries[] {
  const labels = { job, instance, phase: "request", provider: "openai" };
  return [
    series("scbe_envelope_openings_total", { ...labels, result: "opened" }, counter(20, opened)),
    series("scbe_envelope_openings_total", { ...labels, result: "time" }, counter(20, refused)),
  ];
}

export const ALL_OPENS_REFUSED: AlertCases = {
  "an instance that refuses every envelope is an alert, though another one opens its own": {
    alert: "SCBEAllOpensRefused",
    series: [
      ...openings(nothing, eachScrape(4)),
      ...openings(eachScrape(4), nothing, { ...GATEWAY, instance: "gateway-2:9" }),
    ],
    minutes: 2.75,
    fires: {
      labels: { ...GATEWAY, phase: "request", provider: "openai" },
      notBefore: 2.5,
      says: "gateway at gateway-1:9 has refused all of 44 requests of provider openai",
    },
  },
  "one envelope in a hundred that opens is enough to be no alert": {
    alert: "SCBEAllOpensRefused",
    series: openings((second) => (second % 60 === 0 ? 1 : 0), eachScrape(25)),
    minutes: 20,
    fires: "never",
  },
  "a few forgeries on a bus without traffic are no alert": {
    alert: "SCBEAllOpensRefused",
    series: openings(nothing, (second) => (second % 60 === 0 ? 1 : 0)),
    minutes: 20,
    fires: "never",
  },
  "an idle instance has refused nothing": {
    alert: "SCBEAllOpensRefused",
    series: openings(nothing, nothing),
    minutes: 20,
    fires: "never",
  },
};

function clock(offsetMs: (second: number) => number): readonly CaseSeries[] {
  return [series("scbe_clock_offset_ms", GATEWAY, gauge(20, offsetMs))];
}

export const CLOCK_OFFSET: AlertCases = {
  "a clock that is ahead is an alert after five minutes, with its sign": {
    alert: "SCBEClockOffset",
    series: clock((second) => (second > 300 ? 1500 : 0)),
    minutes: 10.25,
    fires: {
      labels: GATEWAY,
      notBefore: 10,
      says: "The clock of gateway at gateway-1:9 is +1500ms off the keyring's",
    },
  },
  "a clock that is behind is an alert, with its sign": {
    alert: "SCBEClockOffset",
    series: clock(() => -1500),
    minutes: 5,
    fires: {
      labels: GATEWAY,
      notBefore: 4.75,
      says: "The clock of gateway at gateway-1:9 is -1500ms off the keyring's",
    },
  },
  "a clock within a second is no alert": {
    alert: "SCBEClockOffset",
    series: clock((second) => (second % 30 === 0 ? 999 : -999)),
    minutes: 20,
    fires: "never",
  },
  "a clock that is set right within minutes is no alert": {
    alert: "SCBEClockOffset",
    series: clock((second) => (second > 300 && second < 480 ? 5000 : 0)),
    minutes: 20,
    fires: "never",
  },
};
