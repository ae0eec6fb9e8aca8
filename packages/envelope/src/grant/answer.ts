import { createHash } from "node:crypto";
import { GrantAnswer, type GrantMeta, type GrantRequest, jcs, readMessage, ScbeError } from "@scbe/contracts";
import { encodeBase64Url, lp } from "../wire.ts";
import { type Identity, verifyNkey } from "./nkey.ts";
import { GRANT_SUITE, type GrantKeys, isLowOrder, questionBytes, type VerifiedQuestion } from "./request.ts";

/**
 * Seals `k_enc || k_nonce` to the key of the request (HPKE base mode, RFC 9180 section 6.1; info = Q, aad empty) and
 * signs the result as the keyring. Base mode does not authenticate the sender; the signature does.
 * @param material 64 bytes; zeroed when this settles, also on failure
 * @throws ScbeError BAD_REQUEST if the request's public key is not a usable X25519 point
 */
export async function answerGrant(
  { bytes, publicKey }: VerifiedQuestion,
  { material, meta }: { readonly material: Uint8Array; readonly meta: GrantMeta },
  identity: Identity,
): Promise<GrantAnswer> {
  try {
    if (material.length !== GRANT_MATERIAL_BYTES) throw new RangeError("a grant holds 64 bytes");
    const { encapsulatedSecret: enc, ciphertext: ct } = await sealTo(publicKey, material, bytes);
    const signature = identity.sign(answerBytes(bytes, enc, ct, meta));
    return {
      v: 1,
      enc: encodeBase64Url(enc),
      ct: encodeBase64Url(ct),
      meta,
      signature: encodeBase64Url(signature),
    };
  } finally {
    material.fill(0);
  }
}

async function sealTo(publicKey: Uint8Array, material: Uint8Array, info: Uint8Array) {
  try {
    const recipient = await GRANT_SUITE.DeserializePublicKey(publicKey);
    return await GRANT_SUITE.Seal(recipient, material, { info });
  } catch (cause) {
    throw new ScbeError("BAD_REQUEST", "the public key of the grant request is not usable", { cause });
  }
}

/** More than the length of every legal answer. */
const ANSWER_BYTES_MAX = 1024;

export interface AnswerToRead {
  /** The bytes from the bus. */
  readonly answer: Uint8Array;
  /** The request that was sent, and its key pair. */
  readonly question: GrantRequest;
  readonly keys: GrantKeys;
}

/**
 * `malformed`: not a message of this shape. `signature`: not signed by this keyring, or the answer to another request.
 * `kid`: signed, but for another key than requested. `sealed`: signed, but not sealed to our key, or by a key of low order.
 */
export type GrantRefusal = "malformed" | "signature" | "kid" | "sealed";

export type ReadGrant =
  | {
      readonly ok: true;
      /** `k_enc || k_nonce`, 64 bytes, which the caller imports and zeroes. */
      readonly material: Uint8Array;
      readonly meta: GrantMeta;
    }
  | { readonly ok: false; readonly reason: GrantRefusal };

/**
 * Opens the keyring's answer to one request. The signature is checked first, so that nothing unsigned is decrypted.
 * It covers Q, so that the answer to any other request is refused, also to an older one for the same key.
 * @param keyringPublicKey the keyring's public user nkey, from the configuration and never from the bus
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

/** The form of the text was checked before. */
function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "base64url");
}

/** Only keys that open are granted; a request for the active key must get an active one. */
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

/**
 * The bytes that the keyring signs: `LP("scbe/v1/grant-a") SHA-256(Q) LP(enc) LP(ct) LP(meta in RFC 8785 form)`. The
 * hash has a fixed length and needs no LP. Q holds a fresh key, so an answer fits only one request.
 */
export function answerBytes(q: Uint8Array, enc: Uint8Array, ct: Uint8Array, meta: GrantMeta): Buffer {
  const questionHash = createHash("sha256").update(q).digest();
  return Buffer.concat([lp("scbe/v1/grant-a"), questionHash, lp(enc, ct, jcs(meta))]);
}

/** `k_enc || k_nonce`. */
export const GRANT_MATERIAL_BYTES = 64;
