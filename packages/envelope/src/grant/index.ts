export { answerGrant } from "./answer-grant.ts";
export { type AskedGrant, askGrant } from "./ask-grant.ts";
export type { Identity } from "./identity.ts";
export { type AnswerToRead, type GrantRefusal, type ReadGrant, readGrant } from "./read-grant.ts";
export { type ReadRing, readRing } from "./read-ring.ts";
export { signRing } from "./sign-ring.ts";
export { GRANT_MATERIAL_BYTES, type GrantKeys } from "./suite.ts";
export { isUserNkey, verifyNkey } from "./verify-nkey.ts";
export { type QuestionVerdict, type VerifiedQuestion, verifyQuestion } from "./verify-question.ts";
