export { Admissions, type AdmissionsOptions } from "./admissions.ts";
export { ControlRules } from "./control/control-rules.ts";
export type { ControlRoute, ControlView } from "./control/control-view.ts";
export { HeldControl } from "./control/held-control.ts";
export { LeaseTime } from "./control/lease-time.ts";
export { skewSeconds } from "./control/skew-seconds.ts";
export type { StalePolicy } from "./control/stale-policy.ts";
export { takeLease } from "./control/take-lease.ts";
export { EpochFollower, type EpochFollowerOptions } from "./epoch-follower.ts";
export { HeldKeys, type HeldKeysOptions } from "./held-keys.ts";
export {
  openVerifier,
  type Serves,
  type Verifier,
  type VerifierConfig,
  type VerifierHost,
  type VerifierOptions,
} from "./open-verifier.ts";
export { OwnLatches, type OwnLatchesOptions } from "./own-latches.ts";
export { readTrustDocument, TRUST_DOCUMENT_BYTES_MAX } from "./trust/read-trust-document.ts";
export { TrustFollower, type TrustFollowerOptions } from "./trust/trust-follower.ts";
export type { TrustView } from "./trust/trust-view.ts";
export { verifierVariables } from "./variables.ts";
