export {
  type AnswerToRead,
  answerGrant,
  GRANT_MATERIAL_BYTES,
  type GrantRefusal,
  type ReadGrant,
  readGrant,
} from "./answer.ts";
export { type Identity, verifyNkey } from "./nkey.ts";
export {
  type AskedGrant,
  askGrant,
  type GrantKeys,
  isLowOrder,
  type VerifiedQuestion,
  verifyGrantRequest,
} from "./request.ts";
export {
  type ClaimedRing,
  claimedRing,
  type ReadRing,
  readRing,
  ringRecordBytes,
  signRing,
  verifyRing,
} from "./ring.ts";
