export { Admissions, type AdmissionsOptions } from "./admissions.ts";
export {
  type ControlRoute,
  ControlRules,
  type ControlView,
  type StalePolicy,
  skewSeconds,
} from "./control/control-rules.ts";
export { HeldControl } from "./control/held-control.ts";
export { LeaseTime, takeLease } from "./control/lease.ts";
export { EpochFollower, type EpochFollowerOptions } from "./epoch-follower.ts";
export { HeldKeys, type HeldKeysOptions } from "./held-keys.ts";
export {
  openVerifier,
  type Serves,
  type Verifier,
  type VerifierOptions,
} from "./open-verifier.ts";
export { OwnLatches, type OwnLatchesOptions } from "./own-latches.ts";
export {
  readTrustDocument,
  TRUST_DOCUMENT_BYTES_MAX,
  TrustFollower,
  type TrustFollowerOptions,
  type TrustView,
} from "./trust-follower.ts";
export { type VerifierConfig, type VerifierHost, verifierVariables } from "./variables.ts";
