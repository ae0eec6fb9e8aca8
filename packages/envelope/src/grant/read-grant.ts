import { GrantAnswer, type GrantMeta, type GrantRequest, readMessage } from "@scbe/contracts";
import { GRANT_SUITE, type GrantKeys } from "./suite.ts";
import { answerBytes, questionBytes } from "./transcript.ts";
import { verifyNkey } from "./verify-nkey.ts";
import { isLowOrder } from "./x25519-point.ts";

/** Above the length of every legal answer. */
const ANSWER_BYTES_MAX = 1024;

export interface AnswerToRead {
  /** What came from the bus. */
  readonly answer: Uint8Array;
  /** The question that was sent, and the keys that were made with it. */
  readonly question: GrantRequest;
  readonly keys: GrantKeys;
}

/**
 * `malformed`: no message of this shape. `signature`: not signed by this keyring, or the answer to another question.
 * `kid`: signed, but not about the key that was asked for. `sealed`: signed, but not sealed to our key, or by a key of low order.
 */
export type GrantRefusal = "malformed" | "signature" | "kid" | "sealed";

export type ReadGrant =
  | {
      readonly ok: true;
      /** `k_enc || k_nonce`, 64 bytes; the caller's to import and to zero. */
      readonly material: Uint8Array;
      readonly meta: GrantMeta;
    }
  | { readonly ok: false; readonly reason: GrantRefusal };

/**
 * Opens the keyring's answer to one question. The signature is checked first, so that nothing unsigned is decrypted;
 * it covers Q, so that an answer to any other question, or to an older one of the same wording, is refused.
 * @param keyringPublicKey the keyring's public user nkey, known beforehand and never learnt from the bus
 */
export async function readGrant(
  { answer, question, keys }: AnswerToRead,
  keyringPublicKey: string,
): Promise<ReadGrant> {
  const read = readMessage(answer, GrantAnswer, ANSWER_BYTES_MAX);
  if (read === undefined) return { ok: false, reason: "malformed" };
  const { meta } = read;
  const [enc, ct, signature] = [bytesOf(read.enc), bytesOf(read.ct), bytesOf(read.signature)];
  const q = questionBytes(question, bytesOf(question.public_key));
  if (!verifyNkey(keyringPublicKey, answerBytes(q, enc, ct, meta), signature)) {
    return { ok: false, reason: "signature" };
  }
  if (!answersTheKid(question, meta)) return { ok: false, reason: "kid" };
  const material = await open(keys, { enc, ct }, q);
  return material === undefined ? { ok: false, reason: "sealed" } : { ok: true, material, meta };
}

/** Of a text that was found to be in the one form of base64url. */
function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "base64url");
}

/** Only what can open is granted at all; "the active one" must be active. */
function answersTheKid(question: GrantRequest, meta: GrantMeta): boolean {
  if (question.kid === "") return meta.state === "active";
  return question.kid === meta.kid && (meta.state === "active" || meta.state === "decrypt-only");
}

async function open(
  keys: GrantKeys,
  { enc, ct }: { readonly enc: Uint8Array; readonly ct: Uint8Array },
  info: Uint8Array,
): Promise<Uint8Array | undefined> {
  if (isLowOrder(enc)) return undefined;
  try {
    return await GRANT_SUITE.Open(keys, enc, ct, { info });
  } catch {
    return undefined;
  }
}
