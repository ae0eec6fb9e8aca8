import type { Header } from "./header.ts";

export interface TimeLimits {
  readonly windowSeconds: number;
  /** How far the sealer's clock and ours may be apart. */
  readonly skewSeconds: number;
}

const MINUTE_MS = 60_000;
const SESSION_MARGIN_MS = 1000;

/**
 * Whether `nowMs` lies in the envelope's life, and its `ts` in its session's. All edges are inclusive. The second keeps
 * an envelope in the one bucket of the replay store that remembers its session.
 * @param sessionMinute minutes since the Unix epoch, from the session's id
 */
export function isInTime(header: Header, sessionMinute: number, nowMs: number, limits: TimeLimits): boolean {
  const { ts, ttl } = header;
  const skewMs = limits.skewSeconds * 1000;
  const windowMs = limits.windowSeconds * 1000;
  const minuteMs = sessionMinute * MINUTE_MS;
  return (
    ttl * 1000 <= windowMs &&
    ts - skewMs <= nowMs &&
    nowMs <= ts + ttl * 1000 + skewMs &&
    minuteMs - SESSION_MARGIN_MS <= ts &&
    ts <= minuteMs + MINUTE_MS + windowMs
  );
}
