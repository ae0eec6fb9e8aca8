/** The limits of the alerts and of the canary; what they are measured over is in {@link Durations}. */
export interface Limits {
  /** Share of checked tags that may fail, by provider. */
  readonly gcmFailureShareMax: number;
  /** Fewer checked tags than this in the window say nothing about a share. */
  readonly gcmAttemptsMin: number;
  /** At low traffic: this many failures in the long window... */
  readonly gcmLowTrafficFailuresMin: number;
  /** ...spread over this many of its slots, so that no single burst is enough. */
  readonly gcmLowTrafficSlotsMin: number;
  readonly verifyP99MaxMs: number;
  readonly verifySamplesMin: number;
  readonly skewP99MaxMs: number;
  readonly skewSamplesMin: number;
  readonly trustAverageMin: number;
  /** Messages of the trust stream that may wait. */
  readonly trustLagMax: number;
  /** Openings of one process, provider and phase that have to be refused, all of them, before anybody is told. */
  readonly allRefusedOpeningsMin: number;
  readonly clockOffsetMaxMs: number;
  /** The runbook's criteria of a canary. They are stricter than the alerts, and the dashboard's yellow lines. */
  readonly canaryGcmFailureShareMax: number;
  readonly canaryEnvelopeP99MaxMs: number;
  readonly canarySkewP99MaxMs: number;
}

/** Every time of the rules, in milliseconds: what is shortened where the same rules are tested in a hurry. */
export interface Durations {
  /** At most a quarter of the shortest window, or a rate has too few samples to stand on. */
  readonly scrapeIntervalMs: number;
  readonly evaluationIntervalMs: number;
  /** Shorter than {@link gcmForMs}: a burst has left the window before the alert fires. */
  readonly gcmWindowMs: number;
  readonly gcmForMs: number;
  readonly gcmLowTrafficWindowMs: number;
  /** A whole number of them makes up the long window. */
  readonly gcmLowTrafficSlotMs: number;
  readonly reuseWindowMs: number;
  /** How far back a count is compared, so that a reuse that fell into a gap of the data is seen after it. */
  readonly reuseGapMs: number;
  /** A process younger than this may have brought a count that was never seen at 0. */
  readonly reuseYoungMs: number;
  readonly verifyWindowMs: number;
  readonly verifyForMs: number;
  readonly skewWindowMs: number;
  readonly skewForMs: number;
  readonly trustForMs: number;
  /** How long what the last leader said of trust stands in for the next one's word: above the time that taking over takes. */
  readonly trustGapMs: number;
  /** How long it is told that a provider was excluded, so that one that is out again and again is one alert. */
  readonly trustExcludedTellMs: number;
  readonly trustUntoldForMs: number;
  readonly trustLagForMs: number;
  /** The guards' store, and the controllers'. */
  readonly storeAwayForMs: number;
  /** How long a change of the epoch is told. */
  readonly epochChangedTellMs: number;
  /** For how long the former epoch is remembered while no guard has one. */
  readonly epochChangedMemoryMs: number;
  readonly targetAbsentForMs: number;
  readonly kmsAwayForMs: number;
  readonly allRefusedWindowMs: number;
  readonly allRefusedForMs: number;
  readonly clockOffsetForMs: number;
  /** Also of a verifier that holds another control document than what is in force. */
  readonly verifierStaleForMs: number;
  /** Several of the Watchdog's messages, which come each minute. */
  readonly watchdogWindowMs: number;
  readonly watchdogMissingForMs: number;
  /** How long it is told that a post of Alertmanager was refused. */
  readonly webhookRefusedTellMs: number;
  /** Notices and audit records that wait. */
  readonly undeliveredForMs: number;
  /** How long the loss of a notice or an audit record is told; longer than {@link undeliveredForMs}. */
  readonly lostTellMs: number;
  /** How long it is told that only one path has spoken of a nonce reuse. */
  readonly pathSilentTellMs: number;
}

export interface Thresholds {
  readonly limits: Limits;
  readonly durations: Durations;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;

/** The one place of every limit and duration: rules, dashboard and their tests are made from it. */
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
 * The same limits over durations that are `times` as short, scraping and evaluating included. Half a second is the shortest
 * scrape interval that makes sense: `shortened(THRESHOLDS, 30)`.
 */
export function shortened(thresholds: Thresholds, times: number): Thresholds {
  const shorter = Object.entries(thresholds.durations).map(([name, ms]) => [name, Math.round(ms / times)]);
  return { limits: thresholds.limits, durations: Object.fromEntries(shorter) as Durations };
}
