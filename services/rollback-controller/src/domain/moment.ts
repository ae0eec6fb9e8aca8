/** The same moment by both clocks. */
export interface Moment {
  /** Of a monotonic clock. */
  readonly nowMs: number;
  /** ms since the Unix epoch */
  readonly now: number;
}

/** A time of a wall clock by the monotonic one. One to come counts as now: the clock that it was taken from may be ahead. */
export function monotonicOf(at: number, { nowMs, now }: Moment): number {
  return nowMs - Math.max(0, now - at);
}

/** A time of the monotonic clock by the wall clock, in whole ms. */
export function wallOf(atMs: number, { nowMs, now }: Moment): number {
  return Math.max(0, Math.floor(now - (nowMs - atMs)));
}
