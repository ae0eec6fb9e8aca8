import { createCipheriv, createHmac } from "node:crypto";

/*
 * Crafts envelopes from the specification and node:crypto only, without the code under test. So tests can seal a header that
 * the sealer would never write under the right key, and compare the sealer with it.
 */

export type Context = Readonly<Record<"env" | "provider" | "intent", string>>;
export type PhaseName = "request" | "response";
export type Members = Readonly<Record<string, unknown>>;

export const IKM: Buffer = Buffer.from(Array.from({ length: 32 }, (_, index) => index + 1));
export const CONTEXT: Context = { env: "dev", provider: "openai", intent: "chat" };
export const KID = "k1";
export const MODEL = "gpt-5";
export const SUITE_NAME = "A256GCM-HKDF-SHA256-COMMIT32";
export const REQUEST_ID = "0f8fad5b-d9cb-469f-a165-70867728950e";
/** Some time in 2026, 12.345 s into its minute. */
export const NOW_MS = 1_767_225_612_345;
export const MINUTE = Math.floor(NOW_MS / 60_000);
export const WINDOW_SECONDS = 300;
export const SKEW_SECONDS = 30;
export const EPOCH = Buffer.alloc(16, 0xe9);

/** HKDF-SHA-256 as the formulas of RFC 5869, sections 2.2 and 2.3, by HMAC alone. */
export function hkdf(ikm: Uint8Array, salt: Uint8Array | string, info: Uint8Array, length: number): Buffer {
  const prk = createHmac("sha256", salt).update(ikm).digest();
  const blocks: Buffer[] = [];
  for (let counter = 1; 32 * blocks.length < length; counter += 1) {
    const hmac = createHmac("sha256", prk);
    hmac.update(blocks.at(-1) ?? Buffer.alloc(0)).update(info);
    blocks.push(hmac.update(Uint8Array.of(counter)).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

/** Each text after its length in two bytes, big-endian. */
export function lengthPrefixed(...texts: readonly string[]): Buffer {
  return Buffer.concat(
    texts.flatMap((text) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(Buffer.byteLength(text));
      return [length, Buffer.from(text)];
    }),
  );
}

export function subkey(
  name: string,
  { env, provider, intent }: Context = CONTEXT,
  ikm: Buffer = IKM,
): Buffer {
  return hkdf(ikm, "scbe/v1", lengthPrefixed(name, env, provider, intent), 32);
}

export interface CraftedSession {
  readonly phase: PhaseName;
  readonly context: Context;
  readonly sessionId: Buffer;
  readonly key: Buffer;
  readonly commitment: Buffer;
  readonly prefix: Buffer;
}

let sessions = 0;

/** A new session for each call. */
export function session(
  phase: PhaseName,
  options: { readonly context?: Context; readonly minute?: number; readonly ikm?: Buffer } = {},
): CraftedSession {
  const { context = CONTEXT, minute = MINUTE, ikm = IKM } = options;
  sessions += 1;
  const sessionId = hkdf(Buffer.from(`session ${sessions}`), "", Buffer.alloc(0), 32);
  sessionId.writeUInt32BE(minute);
  const info = (purpose: string) => Buffer.concat([lengthPrefixed(purpose, SUITE_NAME, phase), sessionId]);
  const encKey = subkey("k_enc", context, ikm);
  return {
    phase,
    context,
    sessionId,
    key: hkdf(encKey, "scbe/v1/session", info("session"), 32),
    commitment: hkdf(encKey, "scbe/v1/session", info("commit"), 32),
    prefix: hkdf(subkey("k_nonce", context, ikm), "scbe/v1/session", info("prefix"), 8),
  };
}

/** The members of a legal header; those in `changes` differ, and an `undefined` one is left out. */
export function members(of: CraftedSession, changes: Members = {}, counter = 1): Members {
  const legal = {
    v: 1,
    suite: SUITE_NAME,
    ...of.context,
    kid: KID,
    model: MODEL,
    phase: of.phase,
    session_id: of.sessionId.toString("base64url"),
    commitment: of.commitment.toString("base64url"),
    nonce: nonce(of, counter).toString("base64url"),
    replay_nonce: Buffer.alloc(24, counter).toString("base64url"),
    request_id: REQUEST_ID,
    ts: NOW_MS,
    ttl: WINDOW_SECONDS,
    content_type: "application/json",
    schema_hash: "none",
    ...(of.phase === "request"
      ? { epoch: EPOCH.toString("base64url") }
      : { in_reply_to: Buffer.alloc(32, 7).toString("base64url") }),
  };
  const all = Object.entries({ ...legal, ...changes });
  return Object.fromEntries(all.filter(([, value]) => value !== undefined));
}

/** The text of a header: members sorted, no spaces. */
export function text(values: Members): string {
  const sorted = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, value]) => `"${name}":${JSON.stringify(value)}`).join(",")}}`;
}

export function nonce(of: CraftedSession, counter: number): Buffer {
  const bytes = Buffer.concat([of.prefix, Buffer.alloc(4)]);
  bytes.writeUInt32BE(counter, 8);
  return bytes;
}

export interface Making {
  readonly header?: Members;
  /** The header's text or bytes, instead of the one of `header`. */
  readonly write?: (legal: string) => string | Uint8Array;
  readonly nonce?: Buffer;
  readonly counter?: number;
  readonly body?: Uint8Array;
}

/** An envelope with a tag that is right for its header. */
export function craft(of: CraftedSession, making: Making = {}): Buffer {
  const { counter = 1, body = Buffer.from("{}") } = making;
  const used = making.nonce ?? nonce(of, counter);
  const legal = text(members(of, { nonce: used.toString("base64url"), ...making.header }, counter));
  const header = Buffer.from(making.write?.(legal) ?? legal);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(header.length);
  const cipher = createCipheriv("aes-256-gcm", of.key, used, { authTagLength: 16 });
  cipher.setAAD(Buffer.concat([length, header]));
  const ciphertext = Buffer.concat([cipher.update(body), cipher.final()]);
  return Buffer.concat([length, header, ciphertext, cipher.getAuthTag()]);
}
