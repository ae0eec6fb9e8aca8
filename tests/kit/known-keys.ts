import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { BUCKETS, type Environment, KV_KEYS } from "@scbe/contracts";
import { deriveSubkey, SUITE, type SubkeyName } from "@scbe/envelope";
import { localKms, readKeyFile } from "@scbe/keyring/local-kms";
import { connectRawStore, type SecuredNats } from "@scbe/testkit";
import type { System } from "./system.ts";

/** What a session's keys depend on, as its envelopes' headers have it. */
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

/** Every key of a deployment, raw: what nobody but the owner of the KMS key can compute. */
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
 * Unwraps the active data key as the keyring does, and derives from it as the specification says, beside the product.
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

/** The record of the ring, read past the keyring's code in the account of its store. @throws while there is none */
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
