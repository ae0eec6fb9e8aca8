import { z } from "zod";

/** 35 bytes in base32; the second character starts with the last three bits of the prefix 0xA0. */
const USER_NKEY = /^U[A-D][A-Z2-7]{54}$/;

/** The prime of the field of Ed25519. */
const P = 2n ** 255n - 19n;
/** The y coordinates of the eight points of small order. A signature under such a key needs no private key, and not every OpenSSL refuses it. */
const SMALL_ORDER_Y: readonly bigint[] = [
  0n,
  1n,
  P - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
];

/**
 * True for a user's public nkey: `0xA0 || Ed25519 public key (32) || CRC-16 of both, little-endian (2)`, in 56 characters of base32, with a
 * canonical key that is not of small order (docs/spec/envelope-v1.md, "Nkeys").
 */
export function isUserNkey(text: string): boolean {
  if (!USER_NKEY.test(text)) return false;
  const bytes = decodeBase32(text);
  const checksum = (bytes[33] ?? 0) | ((bytes[34] ?? 0) << 8);
  return crc16(bytes.subarray(0, 33)) === checksum && isSoundKey(bytes.subarray(1, 33));
}

function isSoundKey(key: Uint8Array): boolean {
  const y = coordinateIn(key);
  return y < P && !SMALL_ORDER_Y.includes(y);
}

/** The coordinate in 32 bytes of Curve25519 or edwards25519: little-endian, without the highest bit (RFC 7748, section 5; RFC 8032, 5.1.2). */
export function coordinateIn(bytes: Uint8Array): bigint {
  return BigInt.asUintN(255, BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`));
}

/** A user's public nkey; the checksum is verified. */
export const PublicNkey = z.string().refine(isUserNkey, "not a public nkey of a user");

/** CRC-16/XMODEM: polynomial 0x1021, start 0, no reflection, no final XOR. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/**
 * The bytes of an nkey's text: base32 without padding (RFC 4648, section 6), whose form was checked before. Bits that fill no byte
 * are dropped. nkeys.js does not export its decoder.
 */
export function decodeBase32(text: string): Uint8Array {
  const out = new Uint8Array(Math.floor((text.length * 5) / 8));
  let pending = 0;
  let bits = 0;
  let at = 0;
  for (const character of text) {
    pending = ((pending << 5) | ALPHABET.indexOf(character)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    out[at++] = (pending >> bits) & 0xff;
  }
  return out;
}

/** Base32 without padding (RFC 4648, section 6). */
export function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  let pending = 0;
  let bits = 0;
  for (const byte of bytes) {
    pending = ((pending << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(pending >> bits) & 31];
    }
  }
  return bits === 0 ? text : text + ALPHABET[(pending << (5 - bits)) & 31];
}
