import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from "node:crypto";
import { crc16, decodeBase32, encodeBase32 } from "@scbe/contracts";

/** The kinds of nkeys: the letter that the public key begins with, times eight in base32. */
const PREFIXES = { user: 20 << 3, account: 0 << 3, operator: 14 << 3 } as const;
export type NkeyKind = keyof typeof PREFIXES;

/** A private nkey. It cannot be printed by accident. */
export interface NkeySeed {
  readonly kind: NkeyKind;
  /** `U`, `A` or `O`, and 55 characters of base32. */
  readonly publicKey: string;
  readonly key: KeyObject;
}

const PREFIX_SEED = 18 << 3;
const SEED_PATTERN = /^S[UAO][A-Z2-7]{56}$/;
/** PKCS #8 of an Ed25519 key is this prefix and the 32 bytes of the seed (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * The nkey of an encoded seed; `undefined` when it is none. By node:crypto, since nkeys.js derives a public key in plain JavaScript, which takes
 * milliseconds each.
 */
export function importSeed(text: string): NkeySeed | undefined {
  if (!SEED_PATTERN.test(text)) return undefined;
  const bytes = decodeBase32(text);
  const [first = 0, second = 0] = bytes;
  const prefix = ((first & 7) << 5) | (second >> 3);
  const kind = (Object.keys(PREFIXES) as NkeyKind[]).find((name) => PREFIXES[name] === prefix);
  const checksum = (bytes[34] ?? 0) | ((bytes[35] ?? 0) << 8);
  if (kind === undefined || crc16(bytes.subarray(0, 34)) !== checksum) return undefined;
  const der = Buffer.concat([PKCS8_PREFIX, bytes.subarray(2, 34)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  bytes.fill(0);
  const raw = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url");
  return { kind, key, publicKey: encodeBase32(withChecksum(Buffer.of(prefix), raw)) };
}

/** A new encoded seed. */
export function createSeed(kind: NkeyKind): string {
  const prefix = PREFIXES[kind];
  return encodeBase32(
    withChecksum(Buffer.of(PREFIX_SEED | (prefix >> 5), (prefix & 31) << 3), randomBytes(32)),
  );
}

function withChecksum(prefix: Uint8Array, raw: Uint8Array): Buffer {
  const bytes = Buffer.concat([prefix, raw, Buffer.alloc(2)]);
  bytes.writeUInt16LE(crc16(bytes.subarray(0, -2)), bytes.length - 2);
  return bytes;
}
