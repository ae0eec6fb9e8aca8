import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { decodeBase32, isUserNkey } from "@scbe/contracts";

/** A process's nkey: one Ed25519 identity for the bus and for the keys. */
export interface Identity {
  /** The public user nkey, `U` and 55 characters of base32. */
  readonly publicKey: string;
  /** Ed25519 (RFC 8032) over exactly these bytes; 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

const SIGNATURE_BYTES = 64;

/**
 * Whether `signature` is the Ed25519 signature (RFC 8032, section 5.1.7) over `bytes` by the user with this public nkey; `false` also if
 * it is not a user's nkey. node:crypto (OpenSSL) checks S < L and compares the encoding of R, without the cofactor. nkeys.js verifies in
 * plain JavaScript, which takes milliseconds and would block the event loop of the keyring.
 */
export function verifyNkey(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const key = importNkey(publicKey);
  return key !== undefined && verify(null, bytes, key, signature);
}

function importNkey(publicKey: string): KeyObject | undefined {
  if (!isUserNkey(publicKey)) return undefined;
  // prefix (1), Ed25519 public key (32), CRC-16 (2)
  const raw = Buffer.from(decodeBase32(publicKey)).subarray(1, 33);
  return createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") },
    format: "jwk",
  });
}
