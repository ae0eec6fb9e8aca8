export type { StalePolicy } from "@scbe/verifier";
export { ControlRules, HeldControl, LeaseTime, skewSeconds, takeLease } from "@scbe/verifier";
export {
  ANSWERED_BY,
  mayBeAnswered,
  type ResolvedRoute,
  resolveRoute,
  unsealedRefusal,
} from "./resolve-route.ts";
