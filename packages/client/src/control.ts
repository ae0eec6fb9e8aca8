export type { StalePolicy } from "@scbe/verifier";
export { ControlRules, HeldControl, LeaseTime, skewSeconds, takeLease } from "@scbe/verifier";
export { ANSWERED_BY, mayBeAnswered, unsealedRefusal, type Way, wayOf } from "./way-of.ts";
