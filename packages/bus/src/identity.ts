import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { crc16, decodeBase32, encodeBase32, ScbeError } from "@scbe/contracts";
import type { Transport } from "./config.ts";

/** A process's identity on the bus: one nkey, which authenticates its connection and signs its messages. */
export interface Identity {
  /** The public nkey: `U` and 55 characters of base32. */
  readonly publicKey: string;
  /** Ed25519 over `bytes` (RFC 8032): 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** An {@link Identity}, with the user's JWT if its credentials file has one. */
export interface LoadedIdentity extends Identity {
  readonly jwt: string | undefined;
}

/**
 * The identity in a transport's files; `undefined` on an open server. It does not expose the seed.
 * @throws ScbeError FORBIDDEN if a file cannot be read or holds no valid seed
 */
export function loadIdentity(
  transport: Pick<Transport, "credsFile" | "nkeySeedFile">,
): LoadedIdentity | undefined {
  const { credsFile, nkeySeedFile } = transport;
  if (credsFile !== undefined) return fromCreds(credsFile);
  if (nkeySeedFile !== undefined) return fromSeed(read(nkeySeedFile).trim(), nkeySeedFile, undefined);
  return undefined;
}

/**
 * The identity of a user seed that was read already.
 * @param name its source, for an error
 * @throws ScbeError FORBIDDEN for an invalid seed
 */
export function identityFromSeed(seed: string, name: string): Identity {
  const { publicKey, sign: signWith } = fromSeed(seed, name, undefined);
  return { publicKey, sign: signWith };
}

function fromCreds(file: string): LoadedIdentity {
  const { jwt, seed } = partsOfCreds(read(file)) ?? {};
  if (jwt === undefined || seed === undefined) throw noSeed(file);
  return fromSeed(seed, file, jwt);
}

/** The parts of a credentials file: a JWT and a seed, each between two lines of dashes. `undefined` for any other text. */
export function partsOfCreds(text: string): { jwt: string; seed: string } | undefined {
  const [jwt, seed] = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /^[\w.-]{40,}$/.test(line) && !line.startsWith("---"));
  return jwt === undefined || seed === undefined ? undefined : { jwt, seed };
}

function fromSeed(text: string, file: string, jwt: string | undefined): LoadedIdentity {
  const seed = importSeed(text);
  if (seed?.kind !== "user") throw noSeed(file);
  const { publicKey, key } = seed;
  return { publicKey, jwt, sign: (bytes) => sign(null, bytes, key) };
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new ScbeError("FORBIDDEN", `cannot read ${file}`, { cause });
  }
}

/** Names the file, and quotes nothing of its content. */
function noSeed(file: string): ScbeError {
  return new ScbeError("FORBIDDEN", `${file} holds no valid user seed`);
}

/** The kinds of nkeys: the number of the public key's first letter in base32, times eight. */
const PREFIXES = { user: 20 << 3, account: 0 << 3, operator: 14 << 3 } as const;
export type NkeyKind = keyof typeof PREFIXES;

/** A private nkey, which cannot be printed by accident. */
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
 * The nkey of an encoded seed; `undefined` for any other text. It uses node:crypto, since nkeys.js derives a public key in plain JavaScript,
 * which takes milliseconds.
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
