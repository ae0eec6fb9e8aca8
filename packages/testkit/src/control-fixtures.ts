import type { Identity } from "@scbe/bus";
import type { ControlState, Kill } from "@scbe/contracts";
import { type ControlDocument, encodeControl, signControl } from "@scbe/envelope/control";
import type { Clock } from "@scbe/runtime";
import { createIdentity } from "./start-test-controller.ts";

export const controller = createIdentity();
export const stranger = createIdentity();
export const REQUEST_ID = "0189dcd5-1111-4222-8333-444455556666";
export const KILL: Kill = { cause: "integrity", reason: "a test", by: "test", since: 1 };

/** A document of generation 7, by which nothing is off. */
export function documentOf(
  change: Partial<ControlState> = {},
  identity: Identity = controller,
): ControlDocument {
  const state: ControlState = {
    v: 1,
    env: "dev",
    generation: 7,
    issued_at: 7,
    kill_switch: { all: null, providers: {} },
    scbe_envelope_verification: { enabled: true, providers: {} },
    fallback: { causes: [] },
    skew_window: null,
    ...change,
  };
  return signControl(state, identity);
}

export function bytesOf(change: Partial<ControlState> = {}, identity?: Identity): Uint8Array {
  return encodeControl(documentOf(change, identity));
}

export const killing = (all: Kill | null, providers: Record<string, Kill> = {}): Partial<ControlState> => ({
  kill_switch: { all, providers },
});

/** A clock that stands until it is told. */
export class StandingClock implements Clock {
  nowMs = 1_790_000_000_000;
  monotonicMs = 50_000;

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.monotonicMs;
  }
}
