import { performance } from "node:perf_hooks";

/** The time, as an argument: so that decisions can be tested at any time. */
export interface Clock {
  /** Milliseconds since the Unix epoch; jumps when the system's clock is set. */
  now(): number;
  /** Milliseconds since some point in the past; never goes back. For durations and deadlines. */
  monotonic(): number;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
