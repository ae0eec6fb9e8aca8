/** Sealing and opening, in ms: exact at 10, 25 and 50, which targets and alerts name, and well above them. */
export const ENVELOPE_MS = [
  0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000,
] as const;

/** Between clocks, in ms: exact at 1000 and 2000, up to more than any configuration allows. */
export const SKEW_MS = [
  1, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 120_000, 300_000,
] as const;

/** A provider's answers, in ms. */
export const ANSWER_MS = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000,
] as const;

/** Calls to the replay store, in seconds. */
export const STORE_SECONDS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.4] as const;

/** Calls to KMS, in seconds. */
export const KMS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
