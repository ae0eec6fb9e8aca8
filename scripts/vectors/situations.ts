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

/** Everything that an opener knows when an envelope arrives. */
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
  /** Whether the opener holds the keys, serves this, and is permitted it: until the release, or at the release as well. */
  readonly held: "always" | "until_release" | "replaced_before_release";
  readonly served: "always" | "until_release";
  readonly permitted: "always" | "never" | "until_release";
}

export interface RequestSituation extends Situation {
  /** The provider of the subject that the envelope came on. */
  readonly subject_provider: string;
  /** The intent of the subject, if it has one. */
  readonly subject_intent?: string;
  /** The verdict of the replay guard, if it is requested. */
  readonly guard: "fresh" | "replay" | "reuse" | "refused";
  /** The times of the request and of the verdict, ms after the envelope's arrival; the opener's deadline for it, and its noise floor. */
  readonly guard_asked_after_ms: number;
  readonly guard_answers_after_ms: number;
  readonly guard_wait_ms: number;
  readonly noise_floor_ms: number;
}

export interface ResponseSituation extends Situation {
  /** The waiting request; with `seq`, it waits for that chunk of a stream. */
  readonly waiting: {
    readonly hash: string;
    readonly request_id: string;
    readonly provider: string;
    readonly intent: string;
    readonly model: string;
    readonly seq?: number;
  };
  /** At an envelope service: the caller's opening token was refused. */
  readonly token_refused: boolean;
}

const USUAL: Situation = {
  keys: [heldKey()],
  serves: { env: CONTEXT.env, providers: ["openai", "anthropic"], intents: ["chat", "embed"] },
  now: TS + 40,
  window_seconds: WINDOW_SECONDS,
  skew_seconds: SKEW_SECONDS,
  held: "always",
  served: "always",
  permitted: "always",
};

export const USUAL_REQUEST: RequestSituation = {
  ...USUAL,
  subject_provider: CONTEXT.provider,
  guard: "fresh",
  guard_asked_after_ms: 0,
  guard_answers_after_ms: 2,
  guard_wait_ms: 600,
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
  token_refused: false,
};

/** The differences of one vector's situation. */
export type Special<S> = Partial<S>;

/** The outcome of a reader that stops at a rule, by family of rules or by rule. */
const REFUSALS: Readonly<Record<string, readonly [step: number, reason: string]>> = {
  B: [1, "malformed"],
  C1: [1, "malformed"],
  C2: [1, "malformed"],
  C3: [2, "not_canonical"],
  C4: [2, "version"],
  C5: [2, "version"],
  H: [2, "members"],
  V: [3, "not_served"],
  V9: [3, "switched_off"],
  T: [4, "time"],
  U: [5, "unknown_key"],
  S7: [6, "commitment"],
  S8: [6, "nonce"],
  S9: [6, "nonce"],
  A: [7, "tag"],
  O1: [8, "replay"],
  O2: [8, "nonce_reuse"],
  O: [8, "not_admitted"],
  R: [8, "binding"],
  X6: [8, "binding"],
  W: [9, "withdrawn"],
};

/** Rules by their ids, with spaces between them. */
export type Rules = string;

export function ruleList(rules: Rules): readonly string[] {
  return rules.split(" ");
}

/** A vector of an envelope that opens: its header's text, its body and, for a request, the item for the guard. */
export function opens<S extends Situation>(
  name: string,
  rules: Rules,
  made: Made,
  usual: S,
  special: Special<S> = {},
) {
  const request = made.text.includes('"phase":"request"');
  return {
    name,
    rules: ruleList(rules),
    ...usual,
    ...special,
    envelope: made.bytes.toString("hex"),
    opens: true,
    header: made.text,
    body: Buffer.from(made.body).toString("hex"),
    ...(request && { hash: made.hash.toString("hex"), admit: admitItem(made).toString("hex") }),
  };
}

/** A vector of an envelope that does not open. The first of the rules is the one that refuses it. */
export function refused<S extends Situation>(
  name: string,
  rules: Rules,
  envelope: Uint8Array,
  usual: S,
  special: Special<S> = {},
) {
  const broken = ruleList(rules);
  const [first = ""] = broken;
  const refusal = REFUSALS[first] ?? REFUSALS[first.slice(0, 1)];
  if (refusal === undefined) throw new Error(`no reader breaks off at ${first}: ${name}`);
  const [step, reason] = refusal;
  return {
    name,
    rules: broken,
    ...usual,
    ...special,
    envelope: Buffer.from(envelope).toString("hex"),
    opens: false,
    step,
    reason,
  };
}

/** A case of a table of refusals: its name, its rules, the envelope, and the differences of its situation. */
export type Case<S> = readonly [name: string, rules: Rules, envelope: Uint8Array, special?: Special<S>];

export function refusedRequests(cases: readonly Case<RequestSituation>[]) {
  return cases.map(([name, rules, envelope, special]) =>
    refused(name, rules, envelope, USUAL_REQUEST, special),
  );
}

export function refusedResponses(cases: readonly Case<ResponseSituation>[]) {
  return cases.map(([name, rules, envelope, special]) =>
    refused(name, rules, envelope, USUAL_RESPONSE, special),
  );
}

/** The item for the guard, without the attempt: 92 bytes. */
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
