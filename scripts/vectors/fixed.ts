import {
  base64url,
  deriveSession,
  deriveSubkeys,
  encrypt,
  headerText,
  type KeyContext,
  nonceOf,
  type Phase,
  SUITE,
  type Subkeys,
  sha256,
} from "./reference.ts";

/** Bytes that are fixed for a label, and look random. */
export function fixed(label: string, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < length; at += 32) blocks.push(sha256(Buffer.from(`scbe vectors: ${label} ${at}`)));
  return Buffer.concat(blocks).subarray(0, length);
}

/** 2026-01-01T00:00:12.345Z; the session began in the minute of it. */
export const TS = 1_767_225_612_345;
export const MINUTE = 29_453_760;
export const WINDOW_SECONDS = 300;
export const SKEW_SECONDS = 30;

export const CONTEXT = { env: "dev", provider: "openai", intent: "chat" } as const;
export const KID = "k-2026-01";
export const MODEL = "gpt-5-mini";
export const REQUEST_ID = "0f8fad5b-d9cb-469f-a165-70867728950e";
export const EPOCH = fixed("epoch", 16);
export const IKM = Buffer.from(Array.from({ length: 32 }, (_, index) => index));

/** One key of an opener. */
export interface HeldKey extends KeyContext {
  readonly kid: string;
  readonly k_enc: string;
  readonly k_nonce: string;
}

export function heldKey(context: KeyContext = CONTEXT, kid = KID, ikm: Uint8Array = IKM): HeldKey {
  const { encKey, nonceKey } = deriveSubkeys(ikm, context);
  const { env, provider, intent } = context;
  return { kid, env, provider, intent, k_enc: encKey.toString("hex"), k_nonce: nonceKey.toString("hex") };
}

export function sessionIdOf(label: string, minute = MINUTE): Buffer {
  const sessionId = fixed(`session ${label}`, 32);
  sessionId.writeUInt32BE(minute);
  return sessionId;
}

export type Members = Readonly<Record<string, unknown>>;

/** How an envelope of the vectors is made; absent members are valid. */
export interface Making {
  readonly phase?: Phase;
  readonly context?: KeyContext;
  readonly kid?: string;
  readonly subkeys?: Subkeys;
  readonly sessionId?: Buffer;
  readonly counter?: number;
  /** Members that differ from the defaults; `undefined` removes one. */
  readonly members?: Members;
  /** Makes the header's text from the valid one. */
  readonly write?: (text: string) => string | Uint8Array;
  readonly body?: Uint8Array;
  readonly nonce?: Uint8Array;
  /** The additional authenticated data; default: length and header. */
  readonly aad?: (length: Uint8Array, header: Uint8Array) => Uint8Array;
}

export interface Made {
  readonly bytes: Buffer;
  readonly text: string;
  readonly hash: Buffer;
  readonly body: Uint8Array;
}

export const BODY = Buffer.from('{"messages":[{"role":"user","content":"Hello"}]}');
export const REQUEST_HASH = fixed("hash of some request", 32);

/** Seals anything, with a valid tag. */
export function make(making: Making = {}): Made {
  const { phase = "request", context = CONTEXT, kid = KID, body = BODY, counter = 1 } = making;
  const { sessionId = sessionIdOf(phase), subkeys = deriveSubkeys(IKM, context) } = making;
  const session = deriveSession(subkeys, phase, sessionId);
  const nonce = making.nonce ?? nonceOf(session.prefix, counter);
  const members = {
    v: 1,
    suite: SUITE,
    ...context,
    kid,
    model: MODEL,
    phase,
    session_id: base64url(sessionId),
    commitment: base64url(session.commitment),
    nonce: base64url(nonce),
    replay_nonce: base64url(fixed(`replay nonce ${phase} ${counter}`, 24)),
    request_id: REQUEST_ID,
    ts: TS,
    ttl: WINDOW_SECONDS,
    content_type: "application/json",
    schema_hash: "none",
    ...(phase === "request" ? { epoch: base64url(EPOCH) } : { in_reply_to: base64url(REQUEST_HASH) }),
    ...making.members,
  };
  const kept = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
  const text = headerText(kept);
  const bytes = encrypt(session.key, nonce, making.write?.(text) ?? text, body, making.aad);
  return { bytes, text, hash: sha256(bytes), body };
}
