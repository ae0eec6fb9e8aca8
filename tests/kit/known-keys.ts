import { createCipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from "node:crypto";
import { BUCKETS, type Environment, KV_KEYS } from "@scbe/contracts";
import { deriveSubkey, type RequestHeader, SUITE, type SubkeyName, splitEnvelope } from "@scbe/envelope";
import { localKms, readKeyFile } from "@scbe/keyring/local-kms";
import { connectRawStore, type SecuredNats } from "@scbe/testkit";
import canonicalize from "canonicalize";
import type { System } from "./system.ts";

/** The inputs of a session's keys, as in its envelopes' headers. */
export interface SessionNames {
  readonly provider: string;
  readonly intent: string;
  readonly phase: string;
  /** base64url */
  readonly session_id: string;
}

export interface KnownSession {
  readonly key: Buffer;
  readonly commitment: Buffer;
  readonly prefix: Buffer;
}

/** Every key of a deployment, raw. Only the owner of the KMS key can compute them. */
export interface KnownKeys {
  readonly kid: string;
  readonly ikm: Buffer;
  subkey(name: SubkeyName, provider: string, intent: string): Buffer;
  session(names: SessionNames): KnownSession;
}

/** All keys of a system. */
export async function knownKeys(system: System): Promise<KnownKeys> {
  return keysOf(await readRing(system.nats), system.kmsKeyFile);
}

/**
 * Unwraps the active data key like the keyring, and derives the other keys by the specification, without the product's derivation.
 * @param ring the text of the record in KV
 */
export async function keysOf(ring: string, kmsKeyFile: string): Promise<KnownKeys> {
  const env: Environment = "dev";
  const { kid, wrapped, wrapped_by: keyArn } = activeKey(ring);
  const kms = localKms(await readKeyFile(kmsKeyFile), env);
  const ikm = Buffer.from(await kms.unwrap({ kid, wrapped: Buffer.from(wrapped, "base64"), keyArn }));
  const imported: KeyObject = createSecretKey(ikm);
  const subkey = (name: SubkeyName, provider: string, intent: string): Buffer =>
    deriveSubkey(name, imported, { env, provider, intent });
  return {
    kid,
    ikm,
    subkey,
    session: ({ provider, intent, phase, session_id }) => {
      const derive = (from: SubkeyName, label: string, length: number): Buffer => {
        const info = Buffer.concat([lp(label), lp(SUITE), lp(phase), Buffer.from(session_id, "base64url")]);
        return Buffer.from(
          hkdfSync("sha256", subkey(from, provider, intent), "scbe/v1/session", info, length),
        );
      };
      return {
        key: derive("k_enc", "session", 32),
        commitment: derive("k_enc", "commit", 32),
        prefix: derive("k_nonce", "prefix", 8),
      };
    },
  };
}

interface WrappedKey {
  readonly kid: string;
  readonly state: string;
  readonly wrapped: string;
  readonly wrapped_by: string;
}

/** Reads the ring's record in the account of its store, without the keyring's code. @throws if there is none */
export async function readRing(nats: Pick<SecuredNats, "storeTransport">): Promise<string> {
  await using raw = await connectRawStore(nats, "keyring");
  const manager = await raw.connection.jetstreamManager({ checkAPI: false });
  const last = { last_by_subj: `$KV.${BUCKETS.keyring}.${KV_KEYS.ring}` };
  return (await manager.streams.getMessage(`KV_${BUCKETS.keyring}`, last)).string();
}

function activeKey(ring: string): WrappedKey {
  const record = JSON.parse(ring) as { ring: string };
  const { keys } = JSON.parse(record.ring) as { keys: WrappedKey[] };
  const active = keys.find(({ state }) => state === "active");
  if (active === undefined) throw new Error("the ring has no active key");
  return active;
}

function lp(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/**
 * Seals a body under any header, with the keys of the header's session. The envelope is authentic, whatever else is wrong with it.
 */
export function forge(keys: KnownKeys, header: RequestHeader, body: Uint8Array): Buffer {
  const text = Buffer.from(canonicalize(header) ?? "", "utf8");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  const aad = Buffer.concat([length, text]);
  const nonce = Buffer.from(header.nonce, "base64url");
  const cipher = createCipheriv("aes-256-gcm", keys.session(header).key, nonce, { authTagLength: 16 });
  cipher.setAAD(aad);
  return Buffer.concat([aad, cipher.update(body), cipher.final(), cipher.getAuthTag()]);
}

/** The header in a new session that began at `startedAt` (ms), with the session's first nonce. */
export function inSessionOf(keys: KnownKeys, header: RequestHeader, startedAt: number): RequestHeader {
  const sessionId = randomBytes(32);
  sessionId.writeUInt32BE(Math.floor(startedAt / 60_000));
  const session_id = sessionId.toString("base64url");
  const { commitment, prefix } = keys.session({ ...header, session_id });
  return {
    ...header,
    session_id,
    commitment: commitment.toString("base64url"),
    nonce: Buffer.concat([prefix, Buffer.from([0, 0, 0, 1])]).toString("base64url"),
    replay_nonce: randomBytes(24).toString("base64url"),
  };
}

/** The header of an envelope, unverified. */
export function headerOf(envelope: Uint8Array): RequestHeader {
  const parts = splitEnvelope(envelope);
  if (parts === undefined) throw new Error("not an envelope");
  return JSON.parse(parts.headerText) as RequestHeader;
}
