import { type GrantAnswer, type GrantMeta, ScbeError } from "@scbe/contracts";
import { encodeBase64Url } from "../base64url.ts";
import type { Identity } from "./identity.ts";
import { GRANT_MATERIAL_BYTES, GRANT_SUITE } from "./suite.ts";
import { answerBytes } from "./transcript.ts";
import type { VerifiedQuestion } from "./verify-grant-request.ts";

/**
 * Seals `k_enc || k_nonce` to the key of the question (HPKE base mode, RFC 9180 section 6.1; info = Q, aad empty) and
 * signs the result as the keyring. Base mode does not tell who sealed; the signature does.
 * @param material 64 bytes; zeroed when this settles, whatever happens
 * @throws ScbeError BAD_REQUEST when the question's public key is no usable X25519 point
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
    throw new ScbeError("BAD_REQUEST", "the question's public key is not usable", { cause });
  }
}
