import { canonical, otherTexts } from "./canonical.ts";
import { CONTEXT, fixed, IKM, KID } from "./fixed.ts";
import {
  type Answering,
  ASKER_SECRET,
  answer,
  ask,
  DECRYPT_ONLY,
  KEYRING,
  lowOrderKeys,
  META,
  type Meta,
  STRANGER,
} from "./grant-parties.ts";
import { x25519Pair } from "./hpke.ts";
import { SITUATION } from "./question-situation.ts";
import { acceptedQuestions, refusedQuestions } from "./question-vectors.ts";
import { deriveSubkeys } from "./reference.ts";
import { firstShowing, otherSpellings } from "./spellings.ts";

/** Grant requests and replies, with fixed keys of all parties. */
export function grants() {
  return {
    keyring: KEYRING.publicKey,
    asker_x25519_private: ASKER_SECRET.toString("hex"),
    situation: SITUATION,
    questions: named("question", acceptedQuestions()),
    refused_questions: named("question", refusedQuestions()),
    grants: named("answer", exchanges()),
    refused_answers: named("answer", refusedAnswers()),
  };
}

function named<T extends { readonly name: string }>(kind: string, vectors: readonly T[]): readonly T[] {
  return vectors.map((vector) => ({ ...vector, name: `${kind}: ${vector.name}` }));
}

const ACTIVE = ask();
const BY_KID = ask({ kid: KID });
const HIGHEST = 9_000_000_000_000_000;

/** Grant requests with valid replies, and everything that they are made of. */
export function exchanges() {
  const of = (name: string, rules: readonly string[], meta: Meta = META, asked = ACTIVE) => {
    const { message, signed } = answer(asked.q, { meta });
    const { encKey, nonceKey } = deriveSubkeys(IKM, CONTEXT);
    return {
      ...{ name, rules, question: asked.message, q: asked.q.toString("hex"), answer: message },
      ...{ signed: signed.toString("hex"), k_enc: encKey.toString("hex"), k_nonce: nonceKey.toString("hex") },
      meta,
    };
  };
  const long = `a${"b".repeat(63)}`;
  return [
    of("the active key", ["GA10", "GA11", "GA14", "GA16"]),
    of("a key by its kid", ["GA12", "GA13"], META, BY_KID),
    of("a key that only opens", ["GA12", "GA13"], DECRYPT_ONLY, ask({ kid: String(DECRYPT_ONLY.kid) })),
    of("a key with an end", ["GA7"], { ...META, not_after: 1 }),
    of("the lowest end", ["GA7"], { ...META, not_after: 0 }),
    of("the highest end", ["GA7"], { ...META, not_after: HIGHEST }),
    of("the lowest generation", ["GA8"], { ...META, ring_generation: 1 }),
    of("the highest generation", ["GA8"], { ...META, ring_generation: HIGHEST }),
    of("a kid of 64 characters", ["GA5"], { ...META, kid: long }),
    of("a kid of one character", ["GA5"], { ...META, kid: "0" }),
  ];
}

export function refusedAnswers() {
  return [...malformed(), ...unsigned(), ...otherKids(), ...notSealed(), ...inOrder()];
}

function of(
  rules: string | readonly string[],
  reason: string,
  name: string,
  message: string,
  asked = ACTIVE,
) {
  return { name, rules: [rules].flat(), question: asked.message, answer: message, reason };
}

function malformed() {
  const right = answer(ACTIVE.q);
  /** Another member, behind the signature. */
  const member = (rule: string, name: string, change: object) =>
    of(rule, "malformed", name, canonical({ ...right.members, ...change }));
  const meta = (rule: string, name: string, change: object) =>
    of(rule, "malformed", name, answer(ACTIVE.q, { meta: { ...META, ...change } }).message);
  const shown = firstShowing(
    (n) => answer(ACTIVE.q, { ephemeral: x25519Pair(fixed(`ephemeral ${n}`, 32)) }),
    ({ enc, ct, signature }) => [enc, ct, signature],
  );
  const spelled = (rule: string, name: "enc" | "ct" | "signature", bytes: Uint8Array) =>
    otherSpellings(bytes).map(([how, text]) =>
      of(rule, "malformed", `${name}: ${how}`, canonical({ ...shown.members, [name]: text })),
    );
  const longer = (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.of(0)]).toString("base64url");
  const shorter = (bytes: Uint8Array) => Buffer.from(bytes).subarray(0, -1).toString("base64url");
  return [
    ...otherTexts(right.message).map(([name, text]) => of("GA10", "malformed", `the message: ${name}`, text)),
    of("GA10", "malformed", "the message: empty", ""),
    member("GA10", "a member more", { w: 1 }),
    ...Object.entries({ v: "GA1", enc: "GA2", ct: "GA3", meta: "GA4", signature: "GA9" }).flatMap(
      ([name, rule]) => [
        member(rule, `${name}: absent`, { [name]: undefined }),
        member(rule, `${name}: null`, { [name]: null }),
      ],
    ),
    ...Object.entries({ kid: "GA5", state: "GA6", not_after: "GA7", ring_generation: "GA8" }).flatMap(
      ([name, rule]) => [
        meta(rule, `${name}: absent`, { [name]: undefined }),
        ...(name === "not_after" ? [] : [meta(rule, `${name}: null`, { [name]: null })]),
      ],
    ),
    member("GA1", "v: 2", { v: 2 }),
    ...spelled("GA2", "enc", shown.enc),
    ...spelled("GA3", "ct", shown.ct),
    ...spelled("GA9", "signature", shown.signature),
    ...(["enc", "ct", "signature"] as const).flatMap((name, at) => {
      const rule = ["GA2", "GA3", "GA9"][at] ?? "";
      return [
        member(rule, `${name}: a byte more`, { [name]: longer(right[name]) }),
        member(rule, `${name}: a byte less`, { [name]: shorter(right[name]) }),
      ];
    }),
    meta("GA4", "meta: a member more", { x: 1 }),
    meta("GA5", "kid: empty", { kid: "" }),
    meta("GA5", "kid: 65 characters", { kid: `a${"b".repeat(64)}` }),
    meta("GA5", "kid: an upper-case character", { kid: "aB" }),
    meta("GA5", "kid: begins with a hyphen", { kid: "-a" }),
    meta("GA5", "kid: a line feed at its end", { kid: "a\n" }),
    meta("GA6", "state: unknown", { state: "resting" }),
    meta("GA6", "state: upper case", { state: "ACTIVE" }),
    meta("GA7", "not_after: a fraction", { not_after: 1.5 }),
    meta("GA7", "not_after: negative", { not_after: -1 }),
    meta("GA7", "not_after: above the highest", { not_after: HIGHEST + 1 }),
    meta("GA7", "not_after: a text", { not_after: "1" }),
    meta("GA7", "not_after: false", { not_after: false }),
    meta("GA8", "ring_generation: 0", { ring_generation: 0 }),
    meta("GA8", "ring_generation: a fraction", { ring_generation: 7.5 }),
    meta("GA8", "ring_generation: above the highest", { ring_generation: HIGHEST + 1 }),
    meta("GA8", "ring_generation: 2^53 - 1", { ring_generation: Number.MAX_SAFE_INTEGER }),
  ];
}

function unsigned() {
  const right = answer(ACTIVE.q);
  const other = answer(ACTIVE.q, { ephemeral: x25519Pair(fixed("another ephemeral", 32)) });
  const with_ = (name: string, change: object) =>
    of("GA11", "signature", name, canonical({ ...right.members, ...change }));
  return [
    of("GA11", "signature", "signed by another nkey", answer(ACTIVE.q, { keyring: STRANGER }).message),
    of("GA11", "signature", "the answer to another question", right.message, BY_KID),
    of(
      "GA11",
      "signature",
      "sealed for this question, signed for another",
      answer(ACTIVE.q, { signedFor: BY_KID.q }).message,
    ),
    with_("another kid than was signed", { meta: { ...META, kid: "k-2" } }),
    with_("another end than was signed", { meta: { ...META, not_after: HIGHEST } }),
    with_("another generation than was signed", { meta: { ...META, ring_generation: 8 } }),
    of("GA11", "signature", "another state than was signed", stateChanged()),
    with_("another encapsulated key than was signed", { enc: other.members.enc }),
    with_("another ciphertext than was signed", { ct: other.members.ct }),
    with_("all but the signature of another answer", { enc: other.members.enc, ct: other.members.ct }),
  ];
}

/** Signed as a key that only opens, sent as the active key. */
function stateChanged(): string {
  const { members } = answer(ACTIVE.q, { meta: { ...META, state: "decrypt-only" } });
  return canonical({ ...members, meta: META });
}

function otherKids() {
  const kid = (rule: string, name: string, meta: Meta, asked = BY_KID) =>
    of(rule, "kid", name, answer(asked.q, { meta }).message, asked);
  return [
    kid("GA12", "another kid than was asked for", { ...META, kid: "k-2" }),
    kid("GA12", "a kid of which the one that was asked for is the beginning", { ...META, kid: `${KID}0` }),
    kid("GA13", "a retired key", { ...META, state: "retired" }),
    kid("GA13", "a compromised key", { ...META, state: "compromised" }),
    kid("GA14", "not the active one, though that was asked for", { ...META, state: "decrypt-only" }, ACTIVE),
    kid("GA14", "a retired key, though the active one was asked for", { ...META, state: "retired" }, ACTIVE),
  ];
}

function notSealed() {
  const sealed = (rule: string, name: string, answering: Answering, sealedFor = ACTIVE.q) =>
    of(rule, "sealed", name, answer(sealedFor, { signedFor: ACTIVE.q, ...answering }).message);
  return [
    ...lowOrderKeys().map(([name, lowOrder]) =>
      sealed("GA15", `an encapsulated key of low order: ${name}`, { lowOrder }),
    ),
    sealed("GA16", "signed for this question, sealed for another", {}, BY_KID.q),
    of(
      "GA16",
      "sealed",
      "a ciphertext that is none",
      answer(ACTIVE.q, { ct: fixed("no ciphertext", 80) }).message,
    ),
  ];
}

/** Two checks fail: the first one gives the reason. */
function inOrder() {
  const changed = { ...META, kid: "k-2" };
  return [
    of(
      ["GA10", "GA11"],
      "malformed",
      "order: GA10 before GA11",
      ` ${answer(ACTIVE.q, { keyring: STRANGER }).message}`,
    ),
    of(
      ["GA11", "GA12"],
      "signature",
      "order: GA11 before GA12",
      answer(BY_KID.q, { meta: changed, keyring: STRANGER }).message,
      BY_KID,
    ),
    of(
      ["GA12", "GA16"],
      "kid",
      "order: GA12 before GA16",
      answer(ACTIVE.q, { meta: changed, signedFor: BY_KID.q }).message,
      BY_KID,
    ),
  ];
}
