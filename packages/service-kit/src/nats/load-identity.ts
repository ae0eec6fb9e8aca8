import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { decodeBase32, ScbeError } from "@scbe/contracts";
import { nkeys } from "nats";
import type { Identity } from "../identity.ts";
import type { Transport } from "../transport.ts";

/** An {@link Identity} together with the user's JWT, where a credentials file had one. */
export interface LoadedIdentity extends Identity {
  readonly jwt: string | undefined;
}

/**
 * The identity that a transport's files hold; `undefined` on an open server. The seed stays inside.
 * @throws ScbeError FORBIDDEN when a file cannot be read or holds no valid seed
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
 * @param name what it was read from, as an error calls it
 * @throws ScbeError FORBIDDEN when it is none
 */
export function identityFromSeed(seed: string, name: string): Identity {
  const { publicKey, sign: signWith } = fromSeed(seed, name, undefined);
  return { publicKey, sign: signWith };
}

/** A credentials file holds a JWT and a seed, each between two lines of dashes. */
function fromCreds(file: string): LoadedIdentity {
  const [jwt, seed] = read(file)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /^[\w.-]{40,}$/.test(line) && !line.startsWith("---"));
  if (jwt === undefined || seed === undefined) throw noSeed(file);
  return fromSeed(seed, file, jwt);
}

function fromSeed(seed: string, file: string, jwt: string | undefined): LoadedIdentity {
  try {
    const pair = nkeys.fromSeed(new TextEncoder().encode(seed));
    const publicKey = pair.getPublicKey();
    pair.clear();
    if (!publicKey.startsWith("U")) throw noSeed(file);
    const key = ed25519(seed);
    return { publicKey, jwt, sign: (bytes) => sign(null, bytes, key) };
  } catch {
    throw noSeed(file);
  }
}

/** PKCS #8 of an Ed25519 key is this prefix and the 32 bytes of the seed (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** An encoded seed is base32 of two prefix bytes, 32 bytes and a checksum. node:crypto signs far faster than nkeys.js. */
function ed25519(encodedSeed: string): KeyObject {
  const seed = decodeBase32(encodedSeed);
  const der = Buffer.concat([PKCS8_PREFIX, seed.subarray(2, 34)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  seed.fill(0);
  return key;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new ScbeError("FORBIDDEN", `cannot read ${file}`, { cause });
  }
}

/** Says where, and nothing of what was found there. */
function noSeed(file: string): ScbeError {
  return new ScbeError("FORBIDDEN", `${file} holds no valid user seed`);
}
