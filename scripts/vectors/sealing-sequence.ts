import {
  BODY,
  CONTEXT,
  EPOCH,
  fixed,
  type HeldKey,
  heldKey,
  IKM,
  KID,
  MODEL,
  make,
  REQUEST_HASH,
  REQUEST_ID,
  TS,
} from "./fixed.ts";
import { base64url, deriveSubkeys } from "./reference.ts";
import { type Rules, ruleList } from "./situations.ts";

export const OTHER_KID = "k-2026-02";
const OTHER_IKM = fixed("another data key", 32);
export const OTHER_EPOCH = fixed("another epoch", 16);
export const EMBED = { ...CONTEXT, intent: "embed" } as const;
export const SEALING_KEYS = [
  ...[heldKey(), heldKey(CONTEXT, OTHER_KID, OTHER_IKM)],
  ...[heldKey(EMBED), heldKey(EMBED, OTHER_KID, OTHER_IKM)],
];
const MONOTONIC = 5000;
const COUNTER_LIMIT = 2 ** 32 - 1;
const BYTE_LIMIT = 64 * 2 ** 30;

/** What is to be sealed: the members of the header that the caller sets. */
export interface Sealing {
  readonly phase: "request" | "response";
  readonly provider: string;
  readonly intent: string;
  readonly model: string;
  readonly request_id: string;
  readonly in_reply_to?: string;
  readonly seq?: number;
  readonly final?: number;
  readonly content_type?: string;
  readonly schema_hash?: string;
  readonly ttl?: number;
  readonly body: string;
}

/** One sealing of a sequence: its session, and its differences from the default. */
interface Step {
  /** Absent: it is refused. */
  readonly session?: string;
  readonly reason?: string;
  /** All subkeys are wiped and granted again before it. */
  readonly grantedAgain?: boolean;
  /** ms since the sequence's start, by the wall clock; by default by the monotonic clock as well. */
  readonly after?: number;
  readonly monotonicAfter?: number;
  readonly kid?: string;
  /** Null: none is in force. */
  readonly epoch?: Buffer | null;
  readonly seal?: Partial<Sealing>;
}

interface Sealer {
  readonly window?: number;
  readonly counterLimit?: number;
  readonly byteLimit?: number;
  readonly keys?: readonly HeldKey[];
}

export const TO_SEAL: Sealing = {
  phase: "request",
  provider: CONTEXT.provider,
  intent: CONTEXT.intent,
  model: MODEL,
  request_id: REQUEST_ID,
  body: BODY.toString("hex"),
};
export const RESPONSE_TO_SEAL: Partial<Sealing> = { phase: "response", in_reply_to: base64url(REQUEST_HASH) };

/** The output of a sealer in each step, with fixed random bytes. */
export function sequence(name: string, rules: Rules, steps: readonly Step[], sealer: Sealer = {}) {
  const { window = 300, counterLimit = COUNTER_LIMIT, byteLimit = BYTE_LIMIT, keys = SEALING_KEYS } = sealer;
  const sessions = new Map<string, { readonly id: Buffer; count: number }>();
  const sealed = steps.map(({ session: label, after = 0, monotonicAfter = after, ...step }) => {
    const { kid = KID, epoch = EPOCH, reason, grantedAgain } = step;
    const seal = { ...TO_SEAL, ...step.seal };
    const now = TS + after;
    const told = {
      ...{ now, monotonic: MONOTONIC + monotonicAfter, active: kid, epoch: epoch?.toString("hex") ?? null },
      ...(grantedAgain && { granted_again: true }),
      seal,
    };
    if (label === undefined || epoch === null) return { ...told, reason };
    const random = fixed(`sealed session ${label}`, 28);
    const session = sessions.get(label) ?? { id: sessionId(now, random), count: 0 };
    session.count += 1;
    sessions.set(label, session);
    const replayNonce = fixed(`replay nonce ${label} ${session.count}`, 24);
    const { phase, provider, intent, body, ...members } = seal;
    const context = { env: CONTEXT.env, provider, intent };
    const ikm = kid === KID ? IKM : OTHER_IKM;
    const all = {
      ttl: window,
      ...members,
      ts: now,
      replay_nonce: base64url(replayNonce),
      ...(phase === "request" && { epoch: base64url(epoch) }),
    };
    const { bytes } = make({
      phase,
      context,
      kid,
      subkeys: deriveSubkeys(ikm, context),
      sessionId: session.id,
      counter: session.count,
      members: all,
      body: Buffer.from(body, "hex"),
    });
    return {
      ...told,
      session_random: random.toString("hex"),
      replay_nonce: replayNonce.toString("hex"),
      envelope: bytes.toString("hex"),
    };
  });
  return {
    name,
    rules: ruleList(rules),
    window_seconds: window,
    counter_limit: counterLimit,
    byte_limit: byteLimit,
    keys,
    steps: sealed,
  };
}

function sessionId(now: number, random: Buffer): Buffer {
  const minute = Buffer.alloc(4);
  minute.writeUInt32BE(Math.floor(now / 60_000));
  return Buffer.concat([minute, random]);
}
