import { everyCharacter } from "./control-forms.ts";
import { type Change, cut, type Document, documentOf, jcs, STRANGER, signed } from "./control-reference.ts";
import { REQUEST_ID, TS } from "./fixed.ts";
import {
  answerOf,
  DIGEST,
  DOCUMENT,
  digestLike,
  held,
  LATER,
  MAX,
  NONCE,
  questionOf,
  TOO_LONG,
} from "./lease-forms.ts";

interface Situation {
  readonly leads?: boolean;
  readonly listed?: boolean;
  readonly may_hand_back?: boolean;
  readonly document?: Document | null;
}

/** Lease requests, and the replies of a controller. */
export function questions(): object[] {
  const ask = (rules: string, name: string, message: string, situation: Situation, outcome: object) => {
    const { leads = true, listed = true, may_hand_back = true, document = DOCUMENT } = situation;
    const controller = { leads, listed, may_hand_back, document: document?.message ?? null };
    return { name, rules: rules.split(" "), controller, message, ...outcome };
  };
  const answered = (
    rules: string,
    name: string,
    change: Change,
    names = DOCUMENT,
    situation: Situation = {},
  ) => {
    const asked = questionOf(change);
    const isHeld = jcs(asked.held ?? null) === jcs(held(names));
    return ask(rules, name, jcs(asked), situation, { answer: answerOf(names, { bring: !isHeld }) });
  };
  const bad = (rule: string, name: string, change: Change) => malformed(rule, name, jcs(questionOf(change)));
  const malformed = (rule: string, name: string, message: string) =>
    ask(rule, name, message, {}, { error: "BAD_REQUEST" });
  const right = jcs(questionOf());
  const handBack = (document: Document, change: Change = {}) =>
    questionOf({ held: held(document), state: document.signed, ...change });
  const forged = documentOf({ generation: TS + 9 }, { by: STRANGER });
  const ofBytes = (bytes: number) => {
    const asked = (payload: string) => questionOf({ held: null, state: { ...within, payload } });
    return asked("x".repeat(bytes - jcs(asked("")).length));
  };
  const within = { ...signed(jcs({ v: 1, why: "x".repeat(400) })) };
  return [
    answered("LQ1 LQ17", "that holds what is in force", {}),
    answered("LQ5 LQ17", "that holds nothing", { held: null }),
    answered("LQ17", "that holds a document of another generation", {
      held: { generation: TS - 1, digest: DIGEST },
    }),
    answered("LQ17", "that holds a document of another digest", {
      held: held({ ...DOCUMENT, digest: LATER.digest }),
    }),
    answered("LQ5", "that holds generation 1", { held: { generation: 1, digest: DIGEST } }),
    answered("LQ5 LQ16", "that says that it holds generation 9e15", {
      held: { generation: MAX, digest: DIGEST },
    }),
    answered("LQ6", "of a process that permits fallback", { fallback: true }),
    answered("LQ7", "that is the last one", { leaving: true }),
    answered("LQ4", "with a verifier of version 0", { verifier: "00000000-0000-0000-0000-000000000000" }),
    answered("LQ8 LQ14", "that hands back a later document", handBack(LATER), LATER),
    answered(
      "LQ14",
      "that hands back a later document, and says that it holds none",
      handBack(LATER, { held: null }),
      LATER,
    ),
    answered(
      "LQ14",
      "that hands back a later document, and says that it holds an earlier one",
      handBack(LATER, { held: { generation: 1, digest: DIGEST } }),
      LATER,
    ),
    answered("LQ15", "that hands back the document that is in force", handBack(DOCUMENT)),
    answered("LQ12 LQ15", "with a state that is none, of 401 bytes", ofBytes(401)),
    malformed("LQ12", "with a state that is none, of 400 bytes", jcs(ofBytes(400))),
    ask(
      "LQ11",
      "of 400 bytes that are no question, of a user that hands back too many",
      "x".repeat(400),
      { may_hand_back: false },
      { error: "BAD_REQUEST" },
    ),
    answered("LQ14", "that hands back a document where none is known", handBack(LATER), LATER, {
      document: null,
    }),
    answered("LQ15", "that hands back an earlier document", handBack(DOCUMENT), LATER, { document: LATER }),
    answered("LQ15", "that hands back a forged document", handBack(forged)),
    answered(
      "LQ15",
      "that hands back a document of another environment",
      handBack(documentOf({ env: "prod", generation: TS + 9 }, { env: "prod" })),
    ),
    answered(
      "LQ15",
      "that hands back what is no document",
      questionOf({ held: { generation: MAX, digest: DIGEST }, state: within }),
    ),
    ask("LQ9", "to one that does not lead", right, { leads: false }, { error: "NOT_READY" }),
    ask(
      "LQ9 LQ10",
      "of a user that is not listed, to one that does not lead (order)",
      right,
      { leads: false, listed: false },
      { error: "NOT_READY" },
    ),
    ask("LQ10", "of a user that is not listed", right, { listed: false }, { error: "FORBIDDEN" }),
    ask(
      "LQ10 LQ1",
      "of a user that is not listed, and no JSON (order)",
      "{",
      { listed: false },
      { error: "FORBIDDEN" },
    ),
    ask(
      "LQ11",
      "that hands back a document too many",
      jcs(handBack(LATER)),
      { may_hand_back: false },
      { error: "BUSY" },
    ),
    ask(
      "LQ11",
      "without a document, of a user that hands back too many",
      right,
      { may_hand_back: false },
      { answer: answerOf(DOCUMENT) },
    ),
    ask(
      "LQ11 LQ1",
      "of 401 bytes that are no question, of a user that hands back too many (order)",
      "x".repeat(401),
      { may_hand_back: false },
      { error: "BUSY" },
    ),
    malformed(
      "LQ12",
      "with a state, of at most 400 bytes",
      jcs(questionOf({ held: null, state: { ...within, payload: "" } })),
    ),
    ask("LQ13", "where no document is known", right, { document: null }, { error: "NOT_READY" }),
    ask(
      "LQ13 LQ1",
      "that is malformed, where no document is known (order)",
      "{",
      { document: null },
      { error: "BAD_REQUEST" },
    ),
    bad("LQ1", "with a member more", { name: "gateway-openai" }),
    ...["v", "nonce", "verifier", "held", "fallback"].map((name) =>
      bad("LQ1", `without ${name}`, { [name]: undefined }),
    ),
    malformed("LQ1", "with a space", right.replace(",", ", ")),
    malformed("LQ1", "with a line feed at its end", `${right}\n`),
    malformed("LQ1", "with a member twice", right.replace(/}$/, `,"verifier":"${REQUEST_ID}"}`)),
    bad("LQ2", "of v 2", { v: 2 }),
    bad("LQ2", "of v null", { v: null }),
    ...everyCharacter(22, "AQgw").map((nonce) => {
      const answer = answerOf(DOCUMENT, { nonce });
      return ask(
        "LQ3 LA4",
        `with a nonce that ends in ${nonce.slice(-1)}`,
        jcs(questionOf({ nonce })),
        {},
        { answer },
      );
    }),
    bad("LQ3", "with a nonce that ends in a, which is A in lower case", { nonce: `${NONCE.slice(0, -1)}a` }),
    bad("LQ3", "with a nonce null", { nonce: null }),
    bad("LQ4", "with a verifier null", { verifier: null }),
    bad("LQ5", "that holds a generation null", { held: { generation: null, digest: DIGEST } }),
    bad("LQ5", "that holds a digest null", { held: { generation: TS, digest: null } }),
    bad("LQ5", "that holds no generation", { held: { digest: DIGEST } }),
    bad("LQ5", "that holds a digest alone, as a text", { held: DIGEST }),
    bad("LQ6", "with fallback null", { fallback: null }),
    bad("LQ7", "with leaving null", { leaving: null }),
    ...["v", "signature"].flatMap((name) => [
      bad(
        "LQ8",
        `with a state without ${name}`,
        handBack(LATER, { state: cut({ ...LATER.signed, [name]: undefined }) }),
      ),
      bad(
        "LQ8",
        `with a state whose ${name} is null`,
        handBack(LATER, { state: { ...LATER.signed, [name]: null } }),
      ),
    ]),
    ...digestLike("LQ3", "nonce", NONCE, "B", (nonce) => ({ nonce }), bad),
    bad("LQ4", "with a verifier in upper case", { verifier: REQUEST_ID.toUpperCase() }),
    bad("LQ4", "with a verifier without hyphens", { verifier: REQUEST_ID.replaceAll("-", "") }),
    bad("LQ4", "with a line feed after the verifier", { verifier: `${REQUEST_ID}\n` }),
    bad("LQ5", "that holds generation 0", { held: { generation: 0, digest: DIGEST } }),
    bad("LQ5", "that holds generation 9e15 and 1", { held: { generation: MAX + 1, digest: DIGEST } }),
    bad("LQ5", "that holds half a generation", { held: { generation: 1.5, digest: DIGEST } }),
    bad("LQ5", "that holds no digest", { held: { generation: TS } }),
    bad("LQ5", "that holds a digest whose last bits are not zero", {
      held: { generation: TS, digest: `${DIGEST.slice(0, 42)}B` },
    }),
    bad("LQ5", "that holds a member more", { held: { ...held(DOCUMENT), v: 1 } }),
    bad("LQ6", "with fallback as a text", { fallback: "true" }),
    bad("LQ7", "that says that it is not the last one", { leaving: false }),
    bad("LQ8", "with a state null", { state: null }),
    bad("LQ8", "with a state of v 2", handBack(LATER, { state: { ...LATER.signed, v: 2 } })),
    bad("LQ8", "with a state whose payload has 32,769 characters", { state: TOO_LONG }),
    answered("LQ8 LQ15", "with a state that is none, whose payload has 32,768 characters", {
      ...{ held: null, state: signed("x".repeat(32_768)) },
    }),
    bad(
      "LQ8",
      "with a state of a member more",
      handBack(LATER, { state: { ...LATER.signed, kind: "state" } }),
    ),
    bad(
      "LQ8",
      "with a state whose signature has padding",
      handBack(LATER, { state: { ...LATER.signed, signature: `${LATER.signed.signature}==` } }),
    ),
  ];
}
