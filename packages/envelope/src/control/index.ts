export { chainHash } from "./chain-hash.ts";
export {
  type ClaimedControl,
  type ControlDocument,
  type ControlExpectation,
  type ControlReading,
  claimedControl,
  claimOf,
  encodeControl,
  readControl,
  signControl,
  supersedes,
  verifiedControl,
  verifyControl,
} from "./control-document.ts";
export { answerLease, type LeaseReading, readLease } from "./lease.ts";
export { isInside, killOf, modeOf, type Route, routeOf } from "./route.ts";
export type { ControlKind } from "./signed.ts";
export { readSigned, type Signed, type SignedExpectation, type SignedReading, sign } from "./signed.ts";
