/** The limits of the alerts and of the dashboard; {@link Durations} has their windows. */
export interface Limits {
  /** The highest share of failed tags among checked tags, by provider. */
  readonly gcmFailureShareMax: number;
  /** A share needs at least so many checked tags in the window. */
  readonly gcmAttemptsMin: number;
  /** At low traffic: so many failures in the long window... */
  readonly gcmLowTrafficFailuresMin: number;
  /** ...in so many of its slots, so that a single burst is not enough. */
  readonly gcmLowTrafficSlotsMin: number;
  readonly verifyP99MaxMs: number;
  readonly verifySamplesMin: number;
  readonly skewP99MaxMs: number;
  readonly skewSamplesMin: number;
  readonly trustAverageMin: number;
  /** Waiting messages of the trust stream. */
  readonly trustLagMax: number;
  /** Openings of one process, provider and phase that are all refused before there is an alert. */
  readonly allRefusedOpeningsMin: number;
  readonly clockOffsetMaxMs: number;
  /** The runbook's criteria of a canary, stricter than the alerts: the dashboard's yellow lines. */
  readonly canaryGcmFailureShareMax: number;
  readonly canaryEnvelopeP99MaxMs: number;
  readonly canarySkewP99MaxMs: number;
}

/** Every time of the rules, in milliseconds. Tests shorten them. */
export interface Durations {
  /** At most a quarter of the shortest window: otherwise a rate has too few samples. */
  readonly scrapeIntervalMs: number;
  readonly evaluationIntervalMs: number;
  /** Shorter than {@link gcmForMs}: a burst has left the window before the alert fires. */
  readonly gcmWindowMs: number;
  readonly gcmForMs: number;
  readonly gcmLowTrafficWindowMs: number;
  /** A whole number of them makes up the long window. */
  readonly gcmLowTrafficSlotMs: number;
  readonly reuseWindowMs: number;
  /** A count is compared so far back, so that a reuse in a gap of the data is seen after the gap. */
  readonly reuseGapMs: number;
  /** A younger process can have a count that was never scraped at 0. */
  readonly reuseYoungMs: number;
  readonly verifyWindowMs: number;
  readonly verifyForMs: number;
  readonly skewWindowMs: number;
  readonly skewForMs: number;
  readonly trustForMs: number;
  /** The last leader's values of trust count so long; longer than a change of leader. */
  readonly trustGapMs: number;
  /** The alert of an excluded provider lasts so long, so that repeated exclusions are one alert. */
  readonly trustExcludedTellMs: number;
  readonly trustUntoldForMs: number;
  readonly trustLagForMs: number;
  /** The guards' store, and the controllers'. */
  readonly storeAwayForMs: number;
  /** The alert of a new epoch lasts so long. */
  readonly epochChangedTellMs: number;
  /** The former epoch counts so long while no guard has one. */
  readonly epochChangedMemoryMs: number;
  readonly targetAbsentForMs: number;
  readonly kmsAwayForMs: number;
  readonly allRefusedWindowMs: number;
  readonly allRefusedForMs: number;
  readonly clockOffsetForMs: number;
  /** Also for a verifier that holds another control document than the one in force. */
  readonly verifierStaleForMs: number;
  /** Holds several of the Watchdog's posts, which come each minute. */
  readonly watchdogWindowMs: number;
  readonly watchdogMissingForMs: number;
  /** The alert of a refused post of Alertmanager lasts so long. */
  readonly webhookRefusedTellMs: number;
  /** For waiting notices and audit records. */
  readonly undeliveredForMs: number;
  /** The alert of a lost notice or audit record lasts so long; longer than {@link undeliveredForMs}. */
  readonly lostTellMs: number;
  /** The alert of a nonce reuse that only one signal reported lasts so long. */
  readonly pathSilentTellMs: number;
}

export interface Thresholds {
  readonly limits: Limits;
  readonly durations: Durations;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;

/** The limits and times of infra/prometheus/rules, to which thresholds.test.ts ties them, for the dashboard and for tests. */
export const THRESHOLDS: Thresholds = {
  limits: {
    gcmFailureShareMax: 0.005,
    gcmAttemptsMin: 20,
    gcmLowTrafficFailuresMin: 5,
    gcmLowTrafficSlotsMin: 3,
    verifyP99MaxMs: 50,
    verifySamplesMin: 20,
    skewP99MaxMs: 2000,
    skewSamplesMin: 20,
    trustAverageMin: 0.5,
    trustLagMax: 1000,
    allRefusedOpeningsMin: 10,
    clockOffsetMaxMs: 1000,
    canaryGcmFailureShareMax: 0.001,
    canaryEnvelopeP99MaxMs: 25,
    canarySkewP99MaxMs: 1000,
  },
  durations: {
    scrapeIntervalMs: 15 * SECOND_MS,
    evaluationIntervalMs: 15 * SECOND_MS,
    gcmWindowMs: 2 * MINUTE_MS,
    gcmForMs: 5 * MINUTE_MS,
    gcmLowTrafficWindowMs: 30 * MINUTE_MS,
    gcmLowTrafficSlotMs: 5 * MINUTE_MS,
    reuseWindowMs: 5 * MINUTE_MS,
    reuseGapMs: 20 * MINUTE_MS,
    reuseYoungMs: 10 * MINUTE_MS,
    verifyWindowMs: 2 * MINUTE_MS,
    verifyForMs: 5 * MINUTE_MS,
    skewWindowMs: 5 * MINUTE_MS,
    skewForMs: 10 * MINUTE_MS,
    trustForMs: 5 * MINUTE_MS,
    trustGapMs: 2 * MINUTE_MS,
    trustExcludedTellMs: 15 * MINUTE_MS,
    trustUntoldForMs: 2 * MINUTE_MS,
    trustLagForMs: 5 * MINUTE_MS,
    storeAwayForMs: MINUTE_MS,
    epochChangedTellMs: 5 * MINUTE_MS,
    epochChangedMemoryMs: 60 * MINUTE_MS,
    targetAbsentForMs: 2 * MINUTE_MS,
    kmsAwayForMs: 2 * MINUTE_MS,
    allRefusedWindowMs: 5 * MINUTE_MS,
    allRefusedForMs: 2 * MINUTE_MS,
    clockOffsetForMs: 5 * MINUTE_MS,
    verifierStaleForMs: 2 * MINUTE_MS,
    watchdogWindowMs: 5 * MINUTE_MS,
    watchdogMissingForMs: 2 * MINUTE_MS,
    webhookRefusedTellMs: 15 * MINUTE_MS,
    undeliveredForMs: 5 * MINUTE_MS,
    lostTellMs: 15 * MINUTE_MS,
    pathSilentTellMs: 60 * MINUTE_MS,
  },
};

/**
 * The same limits with durations that are `times` shorter, including scrapes and evaluations. Half a second is the shortest useful scrape
 * interval: `shortened(THRESHOLDS, 30)`.
 */
export function shortened(thresholds: Thresholds, times: number): Thresholds {
  const shorter = Object.entries(thresholds.durations).map(([name, ms]) => [name, Math.round(ms / times)]);
  return { limits: thresholds.limits, durations: Object.fromEntries(shorter) as Durations };
}
