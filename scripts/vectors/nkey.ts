import { createPrivateKey, createPublicKey, sign } from "node:crypto";

/** A user's Ed25519 identity, and its public key in NATS's notation. */
export interface UserNkey {
  readonly publicKey: string;
  /** The public key's 32 bytes. */
  readonly raw: Uint8Array;
  readonly sign: (bytes: Uint8Array) => Buffer;
}

const PREFIX_USER = 20 << 3;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** @param seed 32 bytes (RFC 8032, section 5.1.5) */
export function userNkey(seed: Uint8Array): UserNkey {
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  const raw = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  return { publicKey: encodeNkey(raw), raw, sign: (bytes) => sign(null, bytes, key) };
}

/** @param mend changes the 35 bytes before they are encoded */
export function encodeNkey(
  raw: Uint8Array,
  prefix = PREFIX_USER,
  mend: (bytes: Buffer) => void = () => undefined,
): string {
  const named = Buffer.concat([Uint8Array.of(prefix), raw]);
  const bytes = Buffer.concat([named, Buffer.alloc(2)]);
  bytes.writeUInt16LE(crc16(named), 33);
  mend(bytes);
  return base32(bytes);
}

/** CRC-16/XMODEM; with another start value it is another CRC. */
export function crc16(bytes: Uint8Array, start = 0): number {
  let crc = start;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

/** RFC 4648, section 6; 35 bytes are 56 characters and need no padding. */
function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{5}/g) ?? []).map((five) => BASE32[Number.parseInt(five, 2)]).join("");
}
