import {
  CONTEXT,
  type HeldKey,
  heldKey,
  type Made,
  MODEL,
  REQUEST_HASH,
  REQUEST_ID,
  SKEW_SECONDS,
  TS,
  WINDOW_SECONDS,
} from "./fixed.ts";

/** Everything that an opener knows when an envelope arrives, whatever its phase. */
interface Situation {
  /** The keys that the opener holds. */
  readonly keys: readonly HeldKey[];
  readonly serves: {
    readonly env: string;
    readonly providers: readonly string[];
    readonly intents: readonly string[];
    /** Absent: every model. */
    readonly models?: readonly string[];
  };
  /** The opener's clock, ms since the Unix epoch. */
  readonly now: number;
  readonly window_seconds: number;
  readonly skew_seconds: number;
  /** Between verifying and release, the key is taken from the opener. */
  readonly withdrawn_before_release: boolean;
  /** What the control document permits: it, never, or only until the turn of release. */
  readonly permitted: "always" | "never" | "until_release";
}

export interface RequestSituation extends Situation {
  /** The provider of the subject that the envelope came on. */
  readonly subject_provider: string;
  /** What the replay guard answers, if it is asked. */
  readonly guard: "fresh" | "replay" | "reuse" | "refused";
  /** When it answers, ms after the envelope's arrival, and the opener's noise floor. */
  readonly guard_answers_after_ms: number;
  readonly noise_floor_ms: number;
}

export interface ResponseSituation extends Situation {
  /** The request that waits; with `seq`, for that chunk of a stream. */
  readonly waiting: {
    readonly hash: string;
    readonly request_id: string;
    readonly provider: string;
    readonly intent: string;
    readonly model: string;
    readonly seq?: number;
  };
}

const USUAL: Situation = {
  keys: [heldKey()],
  serves: { env: CONTEXT.env, providers: ["openai", "anthropic"], intents: ["chat", "embed"] },
  now: TS + 40,
  window_seconds: WINDOW_SECONDS,
  skew_seconds: SKEW_SECONDS,
  withdrawn_before_release: false,
  permitted: "always",
};

export const USUAL_REQUEST: RequestSituation = {
  ...USUAL,
  subject_provider: CONTEXT.provider,
  guard: "fresh",
  guard_answers_after_ms: 2,
  noise_floor_ms: 700,
};

export const USUAL_RESPONSE: ResponseSituation = {
  ...USUAL,
  waiting: {
    hash: REQUEST_HASH.toString("hex"),
    request_id: REQUEST_ID,
    provider: CONTEXT.provider,
    intent: CONTEXT.intent,
    model: MODEL,
  },
};

/** What is special about one vector's situation. */
export type Special<S> = Partial<S>;

export interface Refusal {
  readonly step: number;
  readonly reason: string;
}

/** A vector of an envelope that opens: its header's text, its body and, for a request, what the guard is asked. */
export function opens<S extends Situation>(name: string, made: Made, usual: S, special: Special<S> = {}) {
  const request = made.text.includes('"phase":"request"');
  return {
    name,
    ...usual,
    ...special,
    envelope: made.bytes.toString("hex"),
    opens: true,
    header: made.text,
    body: Buffer.from(made.body).toString("hex"),
    ...(request && { hash: made.hash.toString("hex"), admit: admitItem(made).toString("hex") }),
  };
}

/** A vector of an envelope that does not. */
export function refused<S extends Situation>(
  name: string,
  { step, reason }: Refusal,
  envelope: Uint8Array,
  usual: S,
  special: Special<S> = {},
) {
  return {
    name,
    ...usual,
    ...special,
    envelope: Buffer.from(envelope).toString("hex"),
    opens: false,
    step,
    reason,
  };
}

/** The item that the guard is asked for, without the attempt: 92 bytes. */
export function admitItem({ bytes, text }: Made): Buffer {
  const header = JSON.parse(text) as Record<"epoch" | "session_id" | "nonce" | "replay_nonce", string>;
  const decode = (value: string) => Buffer.from(value, "base64url");
  const counter = decode(header.nonce).subarray(8);
  const parts = [decode(header.epoch), decode(header.session_id), counter, decode(header.replay_nonce)];
  return Buffer.concat([...parts, bytes.subarray(-16)]);
}

/** The envelope with the last bit of its tag flipped. */
export function broken(envelope: Uint8Array): Uint8Array {
  const changed = Buffer.from(envelope);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  return changed;
}
