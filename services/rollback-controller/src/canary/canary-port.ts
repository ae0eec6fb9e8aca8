import type { Canary } from "../domain/canary/canary-record.ts";
import type { AbortOrder, PauseOrder, ResumeOrder, StartOrder } from "../domain/canary-orders.ts";

/**
 * The canaries, one of a provider at most. A person's orders, which any controller takes; the leader alone goes on from step to step.
 * The order's reason stands in the audit, beside who gave it. All of them throw ScbeError: BAD_REQUEST for a provider that is not served,
 * CONFLICT when the order does not fit how things stand, NOT_READY or DISCONNECTED when the store does not take it.
 */
export interface CanaryPort {
  status(): Promise<CanaryStatus>;
  start(order: StartOrder, by: string): Promise<CanaryStatus>;
  pause(order: PauseOrder, by: string): Promise<CanaryStatus>;
  resume(order: ResumeOrder, by: string): Promise<CanaryStatus>;
  abort(order: AbortOrder, by: string): Promise<CanaryStatus>;
}

/** What `GET /canary` shows, and `replay-canary.ts` decides again from. */
export interface CanaryStatus {
  /** Whether this controller is the one that goes on from step to step. */
  readonly leading: boolean;
  readonly canaries: readonly ShownCanary[];
}

/** A canary as it is stored, and what follows from it. */
export interface ShownCanary extends Canary {
  /** % of the provider's traffic that its step stands for. */
  readonly share: number;
  /** `null`: it is at its last step. */
  readonly next_share: number | null;
  /** When the step's time is over, ms since the Unix epoch; `null` unless it runs. */
  readonly hold_until: number | null;
}
