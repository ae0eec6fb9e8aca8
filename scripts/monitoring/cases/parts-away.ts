import { JOBS } from "../jobs.ts";
import type { AlertCases, CaseSeries } from "./alert-case.ts";
import { gauge, series } from "./series.ts";

const KEYRING = { job: "keyring", instance: "keyring-1:9" };
const GUARD = { job: "replay-guard", instance: "guard-1:9" };

/** Every process answers its scrapes, except for the series in `instead`. */
function everyUp(minutes: number, instead: readonly CaseSeries[] = []): readonly CaseSeries[] {
  const others = JOBS.map((job) =>
    series(
      "up",
      { job, instance: `${job}-1:9` },
      gauge(minutes, () => 1),
    ),
  );
  const said = new Set(instead.map((one) => one.series));
  return [...others.filter((one) => !said.has(one.series)), ...instead];
}

const away = (job: string, instance: string, awayS: (second: number) => boolean): CaseSeries =>
  series(
    "up",
    { job, instance },
    gauge(20, (second) => (awayS(second) ? 0 : 1)),
  );

export const WATCHDOG: AlertCases = {
  "the watchdog fires without any data": {
    alert: "Watchdog",
    series: [],
    minutes: 5,
    fires: { labels: {}, says: "Always fires. If it stops arriving, other alerts do not arrive either." },
  },
};

export const TARGET_ABSENT: AlertCases = {
  "a process that is not among the targets is an alert after two minutes": {
    alert: "SCBETargetAbsent",
    series: everyUp(20).filter(({ series: name }) => !name.includes('"keyring"')),
    minutes: 2,
    fires: {
      labels: { job: "keyring", severity: "critical" },
      notBefore: 1.75,
      says: "No keyring answers Prometheus: its alerts cannot fire",
    },
  },
  "a process of which no instance answers is an alert": {
    alert: "SCBETargetAbsent",
    series: everyUp(20, [away("replay-guard", "replay-guard-1:9", (second) => second > 300)]),
    minutes: 7.25,
    fires: {
      labels: { job: "replay-guard", severity: "critical" },
      also: [{ job: "replay-guard", instance: "replay-guard-1:9", severity: "warning" }],
      notBefore: 7,
    },
  },
  "an instance that does not answer is a warning that names it, while other instances do": {
    alert: "SCBETargetAbsent",
    series: everyUp(20, [away("gateway", "gateway-2:9", (second) => second > 300)]),
    minutes: 7.25,
    fires: {
      labels: { job: "gateway", instance: "gateway-2:9", severity: "warning" },
      notBefore: 7,
      says: "gateway at gateway-2:9 does not answer Prometheus",
    },
  },
  "processes that all answer are no alert": {
    alert: "SCBETargetAbsent",
    series: everyUp(20),
    minutes: 20,
    fires: "never",
  },
  "a minute without an answer, as of a restart, is no alert": {
    alert: "SCBETargetAbsent",
    series: everyUp(20, [away("keyring", "keyring-1:9", (second) => second > 300 && second <= 360)]),
    minutes: 20,
    fires: "never",
  },
};

function store(isThere: (second: number) => boolean): readonly CaseSeries[] {
  const values = gauge(20, (second) => (isThere(second) ? 1 : 0));
  return [
    series("scbe_dependency_up", { ...GUARD, dependency: "replay store" }, values),
    series(
      "scbe_dependency_up",
      { ...GUARD, dependency: "nats" },
      gauge(20, () => 0),
    ),
  ];
}

export const REPLAY_STORE_AWAY: AlertCases = {
  "a guard without its store is an alert after a minute, and is named": {
    alert: "SCBEReplayStoreAway",
    series: store((second) => second < 300),
    minutes: 6,
    fires: {
      labels: { ...GUARD, dependency: "replay store" },
      notBefore: 5.75,
      says: "The replay guard at guard-1:9 admits nothing: its Redis is away or not usable",
    },
  },
  "a store that is there is no alert, though another dependency is away": {
    alert: "SCBEReplayStoreAway",
    series: store(() => true),
    minutes: 20,
    fires: "never",
  },
  "a store that fails over within half a minute is no alert": {
    alert: "SCBEReplayStoreAway",
    series: store((second) => second < 300 || second > 330),
    minutes: 20,
    fires: "never",
  },
};

function kms(isUp: (second: number) => boolean): readonly CaseSeries[] {
  return [
    series(
      "scbe_keyring_kms_up",
      KEYRING,
      gauge(20, (second) => (isUp(second) ? 1 : 0)),
    ),
  ];
}

export const KMS_UNREACHABLE: AlertCases = {
  "a KMS that does not answer is an alert after two minutes": {
    alert: "SCBEKMSUnreachable",
    series: kms((second) => second < 300),
    minutes: 7,
    fires: {
      labels: KEYRING,
      notBefore: 6.75,
      says: "KMS does not answer the keyring at keyring-1:9, or refuses it",
    },
  },
  "one failed call to KMS is no alert": {
    alert: "SCBEKMSUnreachable",
    series: kms((second) => second < 300 || second > 345),
    minutes: 20,
    fires: "never",
  },
};
