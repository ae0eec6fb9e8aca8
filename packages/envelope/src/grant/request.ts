import { coordinateIn, type GrantRequest } from "@scbe/contracts";
import {
  AEAD_AES_256_GCM,
  CipherSuite,
  type CryptoKey,
  KDF_HKDF_SHA256,
  KEM_DHKEM_X25519_HKDF_SHA256,
  type KeyPair,
} from "hpke";
import { encodeBase64Url, lp } from "../wire.ts";
import { type Identity, verifyNkey } from "./nkey.ts";

export interface AskedGrant {
  /** The grant request for the keyring, to be sent as JSON. */
  readonly question: GrantRequest;
  /** The key pair with which {@link readGrant} reads the answer to this request; drop it after that. */
  readonly keys: GrantKeys;
}

/**
 * A signed grant request for `k_enc || k_nonce` of one (env, provider, intent, kid), with a fresh key pair.
 * @param wanted an empty `kid` means the active one
 * @example
 * const { question, keys } = await askGrant({ env: "dev", provider: "openai", intent: "chat", kid: "" }, identity);
 * const reply = await bus.request(subjectOf("grant", { user: bus.user, provider: "openai" }), writeMessage(question), { timeoutMs: 2000 });
 * const grant = await readGrant({ answer: reply.data, question, keys }, keyringPublicKey);
 */
export async function askGrant(
  wanted: Omit<QuestionFacts, "asker">,
  identity: Identity,
): Promise<AskedGrant> {
  const { env, provider, intent, kid } = wanted;
  const facts = { env, provider, intent, kid, asker: identity.publicKey };
  const keys = await GRANT_SUITE.GenerateKeyPair();
  const publicKey = await GRANT_SUITE.SerializePublicKey(keys.publicKey);
  const signature = identity.sign(questionBytes(facts, publicKey));
  const question: GrantRequest = {
    v: 1,
    ...facts,
    public_key: encodeBase64Url(publicKey),
    signature: encodeBase64Url(signature),
  };
  return { question, keys };
}

/** A grant request with a verified signature; only {@link verifyGrantRequest} makes one. */
export interface VerifiedQuestion {
  readonly question: GrantRequest;
  /** Q */
  readonly bytes: Uint8Array;
  /** The requester's X25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/**
 * The request, if the holder of the requester's nkey signed it; otherwise `undefined`. It does not check permissions: the caller
 * compares the nkey with its list of users first.
 */
export function verifyGrantRequest(question: GrantRequest): VerifiedQuestion | undefined {
  const publicKey = Buffer.from(question.public_key, "base64url");
  const signature = Buffer.from(question.signature, "base64url");
  const bytes = questionBytes(question, publicKey);
  return verifyNkey(question.asker, bytes, signature) ? { question, bytes, publicKey } : undefined;
}

/** The members of a grant request that are signed, beside its public key. */
export type QuestionFacts = Pick<GrantRequest, "env" | "provider" | "intent" | "kid" | "asker">;

/**
 * Q, the bytes that the requester signs and that HPKE takes as `info`:
 * `LP("scbe/v1/grant-q") LP(env) LP(provider) LP(intent) LP(kid) LP(asker) LP(public key)`, with an empty kid for the
 * active one, the requester's nkey as its text, and the fresh X25519 public key as its 32 bytes.
 */
export function questionBytes(facts: QuestionFacts, publicKey: Uint8Array): Buffer {
  return lp("scbe/v1/grant-q", facts.env, facts.provider, facts.intent, facts.kid, facts.asker, publicKey);
}

/** RFC 9180 with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM; grants use its base mode. */
export const GRANT_SUITE = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

/** The requester's key pair for one request; the private key cannot be exported. */
export type GrantKeys = KeyPair<CryptoKey>;

const P = 2n ** 255n - 19n;
/** The u coordinates of the points of low order (RFC 7748, section 6.1) that fit 255 bits. */
const LOW_ORDER_U: readonly bigint[] = [
  0n,
  1n,
  0x00b8495f16056286fdb1329ceb8d09da6ac49ff1fae35616aeb8413b7c7aebe0n,
  0x57119fd0dd4e22d8868e1c58c45c44045bef839c55b1d0b1248c50a3bc959c5fn,
  P - 1n,
  P,
  P + 1n,
];

/**
 * True for an X25519 public key (32 bytes) that gives a shared secret of zeros with every private key, so that any process can open what is
 * sealed to it (RFC 9180, section 7.1.4). X25519 ignores the highest bit, and so does this check.
 */
export function isLowOrder(publicKey: Uint8Array): boolean {
  return LOW_ORDER_U.includes(coordinateIn(publicKey));
}
