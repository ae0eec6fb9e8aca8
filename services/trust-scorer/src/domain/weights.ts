import type { OutcomeResult } from "@scbe/contracts";

/**
 * How much likelier an outcome is at a provider that fails 0.5 % of its requests than at one that fails 0.1 %: ln(p1 / p0) for a failure,
 * ln((1 - p1) / (1 - p0)) for a success. The canary weighs by the same two.
 */
const FAILURE = 1.609;
const SUCCESS = -0.00401;
const NOTHING = 0;

/** How much evidence against its quality each outcome is. */
export const WEIGHTS: Readonly<Record<OutcomeResult, number>> = {
  ok: SUCCESS,
  provider_error: FAILURE,
  timeout: FAILURE,
  // Gateways leave while a dependency of ours is away: all providers would be excluded for one outage of Redis.
  no_responders: NOTHING,
  // Load says nothing of quality; to exclude for it would move the load on, from one to the next.
  busy: NOTHING,
  // Anybody on the bus can answer with noise, and a failover of Redis makes all gateways do so.
  refused: NOTHING,
  refused_again: FAILURE,
  empty: FAILURE,
  media_type: FAILURE,
  schema: FAILURE,
  size: FAILURE,
  latency: FAILURE,
};
