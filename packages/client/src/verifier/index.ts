export { Admissions, type AdmissionsOptions } from "./admissions.ts";
export { EpochFollower, type EpochFollowerOptions } from "./epoch-follower.ts";
export {
  openVerifier,
  type Serves,
  type Verifier,
  type VerifierConfig,
  type VerifierHost,
  type VerifierOptions,
} from "./open-verifier.ts";
export { verifierVariables } from "./variables.ts";
