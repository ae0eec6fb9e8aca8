import type { GrantAnswer, GrantMeta, GrantQuestion } from "@scbe/contracts";
import { decodeBase64Url } from "../base64url.ts";
import {
  GRANT_CIPHERTEXT_BYTES,
  GRANT_MATERIAL_BYTES,
  GRANT_SUITE,
  type GrantKeys,
  SIGNATURE_BYTES,
  X25519_BYTES,
} from "./suite.ts";
import { answerBytes, questionBytes } from "./transcript.ts";
import { verifyNkey } from "./verify-nkey.ts";

export interface AnswerToRead {
  readonly answer: GrantAnswer;
  /** The question that was sent, and the keys that were made with it. */
  readonly question: GrantQuestion;
  readonly keys: GrantKeys;
}

/**
 * `malformed`: not of the right lengths. `signature`: not signed by this keyring, or the answer to another question.
 * `kid`: signed, but not about the key that was asked for. `sealed`: signed, but not sealed to our key.
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
  const parts = decodeParts(answer, question);
  if (parts === undefined) return { ok: false, reason: "malformed" };
  const q = questionBytes(question, parts.publicKey);
  const signed = answerBytes(q, parts.enc, parts.ct, answer.meta);
  if (!verifyNkey(keyringPublicKey, signed, parts.signature)) return { ok: false, reason: "signature" };
  if (!answersTheKid(question, answer.meta)) return { ok: false, reason: "kid" };
  const material = await open(keys, parts, q);
  return material === undefined ? { ok: false, reason: "sealed" } : { ok: true, material, meta: answer.meta };
}

interface Parts {
  readonly publicKey: Uint8Array;
  readonly enc: Uint8Array;
  readonly ct: Uint8Array;
  readonly signature: Uint8Array;
}

function decodeParts(answer: GrantAnswer, question: GrantQuestion): Parts | undefined {
  const publicKey = decodeBase64Url(question.public_key, X25519_BYTES);
  const enc = decodeBase64Url(answer.enc, X25519_BYTES);
  const ct = decodeBase64Url(answer.ct, GRANT_CIPHERTEXT_BYTES);
  const signature = decodeBase64Url(answer.signature, SIGNATURE_BYTES);
  if (!publicKey || !enc || !ct || !signature) return undefined;
  return { publicKey, enc, ct, signature };
}

/** Only what can open is granted at all; "the active one" must be active. */
function answersTheKid(question: GrantQuestion, meta: GrantMeta): boolean {
  if (question.kid === "") return meta.state === "active";
  return question.kid === meta.kid && (meta.state === "active" || meta.state === "decrypt-only");
}

async function open(keys: GrantKeys, { enc, ct }: Parts, info: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    const material = await GRANT_SUITE.Open(keys, enc, ct, { info });
    return material.length === GRANT_MATERIAL_BYTES ? material : undefined;
  } catch {
    return undefined;
  }
}
