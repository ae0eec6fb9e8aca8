export { Admissions, type AdmissionsOptions } from "./admissions.ts";
export type { ControlRoute, ControlView } from "./control/control-view.ts";
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
export { verifierVariables } from "./variables.ts";
