import { createCipheriv, createHash, createHmac } from "node:crypto";

/*
 * The envelope's cryptography: a second implementation of docs/spec/envelope-v1.md with the primitives of node:crypto. It shares
 * no code with packages/envelope, so that each can reveal errors of the other. It refuses nothing: it also seals what a sealer
 * must not seal.
 */

export const SUITE = "A256GCM-HKDF-SHA256-COMMIT32";
export type Phase = "request" | "response";

export interface KeyContext {
  readonly env: string;
  readonly provider: string;
  readonly intent: string;
}

export interface Subkeys {
  readonly encKey: Buffer;
  readonly nonceKey: Buffer;
}

/** A value as its length in two bytes, and its bytes. */
export function lp(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** RFC 5869, section 2.2. */
export function hkdfExtract(salt: Uint8Array, ikm: Uint8Array): Buffer {
  return createHmac("sha256", salt).update(ikm).digest();
}

/** RFC 5869, section 2.3. */
export function hkdfExpand(prk: Uint8Array, info: Uint8Array, length: number): Buffer {
  const blocks: Buffer[] = [];
  let last = Buffer.alloc(0);
  for (let count = 1; blocks.length * 32 < length; count += 1) {
    last = createHmac("sha256", prk).update(last).update(info).update(Uint8Array.of(count)).digest();
    blocks.push(last);
  }
  return Buffer.concat(blocks).subarray(0, length);
}

export function hkdf(ikm: Uint8Array, salt: string, info: Uint8Array, length: number): Buffer {
  return hkdfExpand(hkdfExtract(Buffer.from(salt, "ascii"), ikm), info, length);
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

export function deriveSubkey(name: string, ikm: Uint8Array, { env, provider, intent }: KeyContext): Buffer {
  return hkdf(ikm, "scbe/v1", Buffer.concat([lp(name), lp(env), lp(provider), lp(intent)]), 32);
}

export function deriveSubkeys(ikm: Uint8Array, context: KeyContext): Subkeys {
  return { encKey: deriveSubkey("k_enc", ikm, context), nonceKey: deriveSubkey("k_nonce", ikm, context) };
}

export interface SessionKeys {
  readonly key: Buffer;
  readonly commitment: Buffer;
  readonly prefix: Buffer;
}

export function deriveSession(
  { encKey, nonceKey }: Subkeys,
  phase: Phase,
  sessionId: Uint8Array,
): SessionKeys {
  const info = (purpose: string) => Buffer.concat([lp(purpose), lp(SUITE), lp(phase), sessionId]);
  return {
    key: hkdf(encKey, "scbe/v1/session", info("session"), 32),
    commitment: hkdf(encKey, "scbe/v1/session", info("commit"), 32),
    prefix: hkdf(nonceKey, "scbe/v1/session", info("prefix"), 8),
  };
}

export function nonceOf(prefix: Uint8Array, counter: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.set(prefix);
  nonce.writeUInt32BE(counter, 8);
  return nonce;
}

/** Members in the order of their names, no spaces. Equals RFC 8785 for flat objects of ASCII strings and integers. */
export function headerText(members: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
}

/** `length(4) | header | ciphertext | tag(16)`, the first two authenticated with the rest. */
export function encrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  header: string | Uint8Array,
  body: Uint8Array,
  aad: (length: Uint8Array, header: Uint8Array) => Uint8Array = (...parts) => Buffer.concat(parts),
): Buffer {
  const headerBytes = Buffer.from(header);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(headerBytes.length);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
  cipher.setAAD(aad(length, headerBytes));
  const ciphertext = Buffer.concat([cipher.update(body), cipher.final()]);
  return Buffer.concat([length, headerBytes, ciphertext, cipher.getAuthTag()]);
}

export function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
