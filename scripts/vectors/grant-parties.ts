import { canonical } from "./canonical.ts";
import { CONTEXT, fixed, IKM, KID, TS } from "./fixed.ts";
import { hpkeSeal, type X25519Pair, x25519Pair } from "./hpke.ts";
import { type UserNkey, userNkey } from "./nkey.ts";
import { base64url, deriveSubkeys, lp, sha256 } from "./reference.ts";

/* The parties of grants in the vectors. They sign and seal any requests and replies correctly. */

export const KEYRING = userNkey(fixed("keyring", 32));
export const STRANGER = userNkey(fixed("stranger", 32));
export const ORCHESTRATOR = userNkey(fixed("asker", 32));
export const GATEWAY = userNkey(fixed("gateway", 32));
export const ENVELOPE = userNkey(fixed("envelope service", 32));
export const GUARD = userNkey(fixed("guard", 32));
export const ASKER_SECRET = fixed("asker's x25519", 32);
export const ASKER_PAIR = x25519Pair(ASKER_SECRET);
export const EPHEMERAL = x25519Pair(fixed("ephemeral", 32));

/** The end of the key that only opens. */
export const END = TS + 1_500_000;

/** Members of a grant request, its public key as bytes. */
export interface Facts {
  readonly v: unknown;
  readonly env: unknown;
  readonly provider: unknown;
  readonly intent: unknown;
  readonly kid: unknown;
  readonly asker: unknown;
  readonly publicKey: Uint8Array;
}

export const FACTS: Facts = {
  ...{ v: 1, ...CONTEXT, kid: "", asker: ORCHESTRATOR.publicKey },
  publicKey: ASKER_PAIR.publicBytes,
};

export function questionBytes({ env, provider, intent, kid, asker, publicKey }: Facts): Buffer {
  const texts = ["scbe/v1/grant-q", env, provider, intent, kid, asker].map((text) => lp(String(text)));
  return Buffer.concat([...texts, lp(publicKey)]);
}

/** The request's object and its Q, with a valid signature of any content. */
export function ask(change: Partial<Facts> = {}, signer: UserNkey = ORCHESTRATOR) {
  const facts = { ...FACTS, ...change };
  const q = questionBytes(facts);
  const { publicKey, ...members } = facts;
  const signature = signer.sign(q);
  const question: Readonly<Record<string, unknown>> = {
    ...members,
    public_key: base64url(publicKey),
    signature: base64url(signature),
  };
  return { q, question, message: canonical(question), publicKey, signature };
}

export type Meta = Readonly<Record<string, unknown>>;
export const META: Meta = { kid: KID, state: "active", not_after: null, ring_generation: 7 };
export const DECRYPT_ONLY: Meta = { ...META, kid: "k-2025-12", state: "decrypt-only", not_after: END };

export interface Answering {
  readonly meta?: Meta;
  readonly keyring?: UserNkey;
  /** The Q that the keyring signs, if it differs from the sealed one. */
  readonly signedFor?: Uint8Array;
  readonly ephemeral?: X25519Pair;
  /** The encapsulated key, with which the shared secret is 0. */
  readonly lowOrder?: Uint8Array;
  /** In place of the ciphertext. */
  readonly ct?: Uint8Array;
}

/** The reply's object for a request's Q, sealed to the requester's key, with a valid signature of any content. */
export function answer(q: Uint8Array, answering: Answering = {}) {
  const { meta = META, keyring = KEYRING, signedFor = q, ephemeral = EPHEMERAL } = answering;
  const { encKey, nonceKey } = deriveSubkeys(IKM, CONTEXT);
  const plaintext = Buffer.concat([encKey, nonceKey]);
  const { enc, ct: sealed } = hpkeSeal(ASKER_PAIR.publicBytes, ephemeral, q, plaintext, answering.lowOrder);
  const ct = answering.ct ?? sealed;
  const head = [lp("scbe/v1/grant-a"), sha256(signedFor)];
  const signed = Buffer.concat([...head, lp(enc), lp(ct), lp(canonical(meta))]);
  const signature = keyring.sign(signed);
  const members: Readonly<Record<string, unknown>> = {
    ...{ v: 1, enc: base64url(enc), ct: base64url(ct), meta },
    signature: base64url(signature),
  };
  return { members, message: canonical(members), signed, enc, ct, signature };
}

/** X25519 public keys (RFC 7748, section 6.1) with which every shared secret is 0, with and without the ignored bit. */
export function lowOrderKeys(): readonly (readonly [name: string, bytes: Uint8Array])[] {
  const written = [
    ["0", "00".repeat(32)],
    ["1", `01${"00".repeat(31)}`],
    ["p - 1", `ec${"ff".repeat(30)}7f`],
    ["p", `ed${"ff".repeat(30)}7f`],
    ["p + 1", `ee${"ff".repeat(30)}7f`],
    ["the first of order 8", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"],
    ["the second of order 8", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"],
  ] as const;
  return written.flatMap(([name, hex]) => {
    const bytes = Buffer.from(hex, "hex");
    const high = Buffer.from(bytes);
    high.writeUInt8(high.readUInt8(31) | 0x80, 31);
    return [
      [name, bytes],
      [`${name}, with the highest bit`, high],
    ] as const;
  });
}
