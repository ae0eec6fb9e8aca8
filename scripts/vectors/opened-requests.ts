import { CONTEXT, fixed, heldKey, KID, type Members, MODEL, make, sessionIdOf, TS } from "./fixed.ts";
import type { KeyContext } from "./reference.ts";
import { opens, type RequestSituation, type Special, USUAL_REQUEST } from "./situations.ts";
import { timeCases } from "./times.ts";

const ANTHROPIC = { ...CONTEXT, provider: "anthropic" } as const;
const EMBED = { ...CONTEXT, intent: "embed" } as const;
const LONG = { env: "prod", provider: `p${"-_".repeat(31)}9`, intent: `0${"i".repeat(63)}` } as const;
const SHORT = { env: "staging", provider: "0", intent: "z" } as const;
const NEARLY_RESERVED = { ...CONTEXT, intent: "scbe" } as const;
const LONG_MODEL = "Az09._:/@+-".repeat(12).slice(0, 128);
const OTHER_IKM = fixed("another data key", 32);

export const EVERY_BYTE: Buffer = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
const NOT_ASCII = Buffer.from('{"text":"Grüße, 世界 — 🜁 \\ud83d\\ude00"}');
const SCHEMA_HASH = `sha256:${fixed("schema", 32).toString("hex")}`;

const usual = USUAL_REQUEST;
const { serves } = usual;

/** Requests that open. */
export function openedRequests() {
  return [...bodies(), ...headers(), ...served(), ...keys(), ...timely(), ...admitted()];
}

function bodies() {
  return [
    opens("a JSON body", "B3 C3 H20 A1 A2 A3", make(), usual),
    opens("an empty body", "B3 A1", make({ body: Buffer.alloc(0), counter: 2 }), usual),
    opens(
      "a binary body of every byte",
      "A1",
      make({ body: EVERY_BYTE, counter: 3, members: { content_type: "application/octet-stream" } }),
      usual,
    ),
    opens("a JSON body that is not ASCII", "A1", make({ body: NOT_ASCII, counter: 4 }), usual),
  ];
}

function headers() {
  const texts = { model: LONG_MODEL, content_type: "x".repeat(128), schema_hash: SCHEMA_HASH };
  return [
    opens("the first counter", "S9", make({ counter: 1, sessionId: sessionIdOf("first") }), usual),
    opens("the highest counter", "S9", make({ counter: 2 ** 32 - 1 }), usual),
    atItsEnds("every text at its longest, and a schema hash", LONG, "k".repeat(64), texts),
    atItsEnds("every text at its shortest", SHORT, "0", { model: "-", content_type: " " }),
    // every character of a content type, in two halves
    ...[printable(0x20, 0x4f), printable(0x50, 0x7e)].map((content_type, index) =>
      opens(
        `the characters of a content type, half ${index + 1}`,
        "H2",
        make({ members: { content_type } }),
        usual,
      ),
    ),
    opens("a UUID of zeros", "H14", make({ members: { request_id: uuidOf("0") } }), usual),
    opens("a UUID of f alone", "H14", make({ members: { request_id: uuidOf("f") } }), usual),
    opens(
      "base64url with both of its own characters",
      "H4 H13",
      make({ members: { epoch: "-_-_-_-_-_-_-_-_-_-_-w", replay_nonce: "_-".repeat(16) } }),
      usual,
    ),
    ...[10 ** 12, 10 ** 13 - 1].map((ts) =>
      opens(
        `sealed at ${ts} ms`,
        "H18 T4 T5",
        make({ members: { ts }, sessionId: sessionIdOf("edge", Math.floor(ts / 60_000)) }),
        usual,
        { now: ts },
      ),
    ),
    opens("a ttl of 1", "H19", make({ members: { ttl: 1 } }), usual),
    opens("a ttl of 3600", "H19", make({ members: { ttl: 3600 } }), usual, { window_seconds: 3600 }),
  ];
}

function atItsEnds(name: string, context: KeyContext, kid: string, members: Members) {
  return opens(name, "H2 H3 H7 H8 H9 H12 H15", make({ context, kid, members }), usual, {
    keys: [heldKey(context, kid)],
    serves: { env: context.env, providers: [context.provider], intents: [context.intent] },
    subject_provider: context.provider,
  });
}

function served() {
  const of = (name: string, rules: string, context: KeyContext, special: Special<RequestSituation> = {}) =>
    opens(name, rules, make({ context }), usual, { keys: [heldKey(), heldKey(context)], ...special });
  return [
    of("another intent", "V6 U4", EMBED),
    of("another provider", "V2 V5 U3", ANTHROPIC, { subject_provider: "anthropic" }),
    of(
      "another environment",
      "V4",
      { ...CONTEXT, env: "staging" },
      { serves: { ...serves, env: "staging" }, keys: [heldKey({ ...CONTEXT, env: "staging" })] },
    ),
    of("a subject that names the intent", "V3", EMBED, { subject_intent: "embed" }),
    of("an intent that only begins as the reserved ones do", "V8", NEARLY_RESERVED, {
      serves: { ...serves, intents: ["scbe"] },
    }),
    opens("the one model on the list", "V7", make(), usual, { serves: { ...serves, models: [MODEL] } }),
    opens("the last of several models", "V7", make(), usual, {
      serves: { ...serves, models: ["gpt-5", "gpt-5-nano", MODEL] },
    }),
  ];
}

function keys() {
  return [
    opens("one of two keys, by its kid", "U1", make(), usual, {
      keys: [heldKey(CONTEXT, "k-2025-12", OTHER_IKM), heldKey(CONTEXT, KID)],
    }),
    opens("keys of two environments under one kid", "U2", make(), usual, {
      keys: [heldKey(), heldKey({ ...CONTEXT, env: "prod" }, KID, OTHER_IKM)],
    }),
  ];
}

/** Each comparison of step 4 at its edge. */
function timely() {
  return [
    ...timeCases("request", 0).map(({ name, rule, made, situation }) =>
      opens(name, rule, made, usual, situation),
    ),
    ...[0, 120, 600].map((skew) =>
      opens(`no time has passed, skew ${skew} s`, "T2", make(), usual, {
        now: TS,
        skew_seconds: skew,
      }),
    ),
  ];
}

function admitted() {
  return [
    opens("the guard answers 1 ms before the wait for it ends", "O4", make(), usual, {
      guard_answers_after_ms: 599,
    }),
    opens("the guard is asked late, and answers 1 ms before the floor", "O5", make(), usual, {
      guard_asked_after_ms: 200,
      guard_answers_after_ms: 699,
    }),
    opens("the guard is asked late, and answers 1 ms before the wait for it ends", "O4", make(), usual, {
      guard_asked_after_ms: 50,
      guard_answers_after_ms: 649,
    }),
  ];
}

function uuidOf(digit: string): string {
  return [8, 4, 4, 4, 12].map((length) => digit.repeat(length)).join("-");
}

/** The characters from `first` to `last` that need no escape in JSON. */
function printable(first: number, last: number): string {
  return Array.from({ length: last - first + 1 }, (_, index) => String.fromCharCode(first + index))
    .filter((character) => character !== '"' && character !== "\\")
    .join("");
}
