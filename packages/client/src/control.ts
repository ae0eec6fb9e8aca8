/** What a verifier makes of the control plane, without a bus: docs/spec/control-v1.md is tested on it. */
export { ControlRules } from "./verifier/control/control-rules.ts";
export { HeldControl } from "./verifier/control/held-control.ts";
export { LeaseTime } from "./verifier/control/lease-time.ts";
export { skewSeconds } from "./verifier/control/skew-seconds.ts";
export type { StalePolicy } from "./verifier/control/stale-policy.ts";
export { takeLease } from "./verifier/control/take-lease.ts";
export { ANSWERED_BY, mayBeAnswered, unsealedRefusal, type Way, wayOf } from "./way-of.ts";
