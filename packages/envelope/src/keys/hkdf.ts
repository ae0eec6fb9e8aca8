import { hkdfSync, type KeyObject } from "node:crypto";

/** HKDF with SHA-256, extract and expand (RFC 5869): the one key derivation of SCBE. The result is the caller's to zero. */
export function hkdfSha256(
  ikm: KeyObject | Uint8Array,
  salt: string | Uint8Array,
  info: Uint8Array,
  length: number,
): Buffer {
  return Buffer.from(hkdfSync("sha256", ikm, salt, info, length));
}
