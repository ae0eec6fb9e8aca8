import { createCipheriv, randomBytes } from "node:crypto";
import { type RequestHeader, splitEnvelope } from "@scbe/envelope";
import canonicalize from "canonicalize";
import type { KnownKeys } from "./known-keys.ts";

/**
 * Seals a body under a header of any content, with the keys that the header's own session has: authentic, whatever else
 * is wrong with it.
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

/** The header with a session of its own that has begun at `startedAt` (ms), and with its first nonce. */
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

/** The header of an envelope, for what it says. */
export function headerOf(envelope: Uint8Array): RequestHeader {
  const parts = splitEnvelope(envelope);
  if (parts === undefined) throw new Error("no envelope");
  return JSON.parse(parts.headerText) as RequestHeader;
}
