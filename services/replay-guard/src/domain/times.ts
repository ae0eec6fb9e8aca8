import type { EpochRecord } from "@scbe/contracts";

/** The times that decide how long an envelope is remembered; the same in every process of a deployment. */
export interface Times {
  /** The longest life of an envelope. */
  readonly windowMs: number;
  /** The limit of every configured clock skew, not the skew in force. */
  readonly limitMs: number;
}

/** Minutes since the Unix epoch, both inclusive; empty where `from` exceeds `to`. */
export interface Minutes {
  readonly from: number;
  readonly to: number;
}

const MINUTE_MS = 60_000;
/** Minutes beyond those that envelopes can name now, so that an extension is made before it is needed. */
const AHEAD_MINUTES = 2;
const MINUTE_MAX = 0xffff_ffff;

/** The minute of a time in ms since the Unix epoch. */
export function minuteOf(ms: number): number {
  return Math.min(Math.max(Math.floor(ms / MINUTE_MS), 0), MINUTE_MAX);
}

/** The minutes for which a new epoch gets buckets. */
export function minutesToMake(nowMs: number, { windowMs, limitMs }: Times): Minutes {
  return {
    from: minuteOf(nowMs - limitMs - windowMs),
    to: Math.min(minuteOf(nowMs + limitMs) + AHEAD_MINUTES, MINUTE_MAX),
  };
}

/** The minutes of a record whose buckets must exist now. */
export function minutesToCheck(record: Minutes, nowMs: number, { windowMs, limitMs }: Times): Minutes {
  return {
    from: Math.max(record.from, minuteOf(nowMs - limitMs - windowMs)),
    to: Math.min(record.to, minuteOf(nowMs + limitMs)),
  };
}

/** The minutes of a record whose buckets can still exist. */
export function minutesHeld(record: Minutes, nowMs: number, { windowMs, limitMs }: Times): Minutes {
  return { from: Math.max(record.from, minuteOf(nowMs - limitMs - 2 * windowMs) - 1), to: record.to };
}

/** Whether a record has a bucket for what is sealed at this moment. */
export function coversNow({ from, to }: Pick<EpochRecord, "from" | "to">, nowMs: number): boolean {
  const minute = minuteOf(nowMs);
  return from <= minute && minute <= to;
}

/**
 * How long a bucket lives from now: until no opener, at any clock skew, can accept an envelope of a session of that minute, and one more
 * replay window.
 */
export function bucketLifeMs(minute: number, nowMs: number, { windowMs, limitMs }: Times): number {
  return Math.max(Math.ceil((minute + 1) * MINUTE_MS + 2 * windowMs + limitMs - nowMs), 1);
}

/** Every minute from the first to the last. */
export function eachMinute({ from, to }: Minutes): number[] {
  return Array.from({ length: Math.max(to - from + 1, 0) }, (_, index) => from + index);
}
