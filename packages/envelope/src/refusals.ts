import type { RefusalReason } from "@scbe/contracts";

/**
 * The reasons why an envelope is not opened, with the step of each (docs/spec/envelope-v1.md, "Opening"). For metrics, the audit
 * log and traces; the sender never learns them.
 */
export const REFUSALS = {
  malformed: 1,
  not_canonical: 2,
  version: 2,
  members: 2,
  not_served: 3,
  switched_off: 3,
  time: 4,
  unknown_key: 5,
  nonce: 6,
  commitment: 6,
  tag: 7,
  replay: 8,
  nonce_reuse: 8,
  not_admitted: 8,
  binding: 8,
  withdrawn: 9,
} as const satisfies Record<RefusalReason, number>;

export type Refusal = keyof typeof REFUSALS;
