export {
  type Header,
  type Phase,
  type RequestHeader,
  type ResponseHeader,
  SUITE,
  VERSION,
} from "./header/header.ts";
export { type HeaderProblem, type ParsedHeader, parseHeader } from "./header/parse.ts";
export { fromJsonForm, toJsonForm } from "./json-form.ts";
export {
  deriveGrantMaterial,
  deriveSubkey,
  importSubkeys,
  type KeyContext,
  type SubkeyName,
  type Subkeys,
} from "./keys.ts";
export { type HeldNoise, NOISE_BYTES } from "./noise.ts";
export {
  type Arrival,
  type FailedResponse,
  type OpenedRequest,
  type OpenedResponse,
  Opener,
  type OpenerLimits,
  type OpenerPorts,
  type RefusedRequest,
  type RequestOpening,
  type ResponseBinding,
  type ResponseOpening,
} from "./opener.ts";
export {
  OpeningTokens,
  type OpeningTokensPorts,
  type TokenFacts,
  type TokenVerdict,
} from "./opening-tokens.ts";
export type {
  Admission,
  Clock,
  Epochs,
  OpeningKeys,
  OpeningObserver,
  Permission,
  Random,
  SealingKeys,
  SealingObserver,
  Serves,
  TagCheck,
} from "./ports.ts";
export { REFUSALS, type Refusal } from "./refusals.ts";
export {
  type RequestFacts,
  type RequestToSeal,
  type ResponseToSeal,
  type SealedRequest,
  type SealedResponse,
  Sealer,
  type SealerLimits,
  type SealerPorts,
  type SessionUse,
} from "./sealer.ts";
export { ENVELOPE_HEADER_BYTES_MAX, type EnvelopeParts, splitEnvelope, TAG_BYTES } from "./wire.ts";
