export { chainHash } from "./chain-hash.ts";
export {
  type ControlDocument,
  encodeControl,
  readControl,
  signControl,
  supersedes,
  verifyControl,
} from "./control-document.ts";
export { answerLease, readLease } from "./lease.ts";
export { isAllFallback, isInside, killOf, type Route, routeOf } from "./route.ts";
export { readSigned, type Signed, type SignedExpectation, type SignedReading, sign } from "./signed.ts";
export type { ControlKind } from "./transcript.ts";
