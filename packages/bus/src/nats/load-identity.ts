import { sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { ScbeError } from "@scbe/contracts";
import type { Identity } from "../identity.ts";
import type { Transport } from "../transport.ts";
import { importSeed } from "./nkey-seed.ts";

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

function fromCreds(file: string): LoadedIdentity {
  const { jwt, seed } = partsOfCreds(read(file)) ?? {};
  if (jwt === undefined || seed === undefined) throw noSeed(file);
  return fromSeed(seed, file, jwt);
}

/** A credentials file holds a JWT and a seed, each between two lines of dashes; `undefined`: it is none. */
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

/** Says where, and nothing of what was found there. */
function noSeed(file: string): ScbeError {
  return new ScbeError("FORBIDDEN", `${file} holds no valid user seed`);
}
