import {
  type Change,
  cut,
  type Document,
  documentOf,
  type JsonObject,
  jcs,
  READER,
  type Signing,
  STRANGER,
  signed,
} from "./control-reference.ts";
import { TS } from "./fixed.ts";
import {
  answerOf,
  DIGEST,
  DOCUMENT,
  digestLike,
  LATER,
  leaseOf,
  MAX,
  NONCE,
  OTHER_NONCE,
  questionOf,
  TOO_LONG,
} from "./lease-forms.ts";
import { questions } from "./lease-questions.ts";
import { timelines } from "./lease-timelines.ts";

/** Lease requests, their replies, and the state of a reader over time. */
export function leases() {
  return {
    ...READER,
    example: example(),
    questions: questions(),
    answers: answers(),
    timelines: timelines(),
  };
}

/** One lease request with its reply, as on the page. */
function example() {
  return {
    name: "example",
    rules: ["LQ1", "LA1"],
    question: jcs(questionOf({ held: null })),
    payload: jcs(leaseOf(DOCUMENT)),
    answer: answerOf(DOCUMENT),
  };
}

function answers(): object[] {
  const take = (
    rules: string,
    name: string,
    message: string,
    outcome: string,
    has: Document | null = DOCUMENT,
    then = has,
  ) => ({
    ...{ name, rules: rules.split(" "), nonce: NONCE, held: has?.message ?? null, message, outcome },
    holds: then?.digest ?? null,
  });
  const leased = (lease: JsonObject, signing: Signing = { kind: "lease" }, more: JsonObject = {}) =>
    jcs({ ...signed(jcs(lease), signing), ...more });
  const lease = leaseOf(DOCUMENT);
  const right = signed(jcs(lease), { kind: "lease" });
  const { signature } = right;
  const bad = (rule: string, name: string, message: string) => take(rule, name, message, "malformed");
  const badLease = (rule: string, name: string, change: Change) =>
    bad(rule, name, leased(leaseOf(DOCUMENT, change)));
  const badPayload = (name: string, payload: string) =>
    bad("LA3", name, jcs(signed(payload, { kind: "lease" })));
  const forged = documentOf({ generation: TS + 9 }, { by: STRANGER });
  const last = { A: "B", Q: "R", g: "h", w: "x" }[signature.at(-1) ?? ""] ?? "";
  return [
    take("LA1 LA3 LA7 LA9 LA12 LA14", "names what is held", jcs(right), "granted"),
    take("LA8 LA13", "brings a later document", answerOf(LATER, { bring: true }), "granted", DOCUMENT, LATER),
    take(
      "LA8 LA13",
      "brings a document where none is held",
      answerOf(LATER, { bring: true }),
      "granted",
      null,
      LATER,
    ),
    take("LA13", "brings the document that is held", answerOf(DOCUMENT, { bring: true }), "granted"),
    take(
      "LA13",
      "names what is held, and brings a forged document",
      leased(lease, { kind: "lease" }, { state: forged.signed }),
      "granted",
    ),
    take(
      "LA13",
      "names what is held, and brings a later document",
      leased(lease, { kind: "lease" }, { state: LATER.signed }),
      "other",
      DOCUMENT,
      LATER,
    ),
    take("LA14", "names another document, and brings none", answerOf(LATER), "other"),
    take("LA14", "no document is held, and it brings none", answerOf(DOCUMENT), "other", null),
    take(
      "LA14",
      "names an earlier document, and brings it",
      answerOf(DOCUMENT, { bring: true }),
      "other",
      LATER,
    ),
    take(
      "LA14",
      "another generation, and the digest of what is held",
      leased(leaseOf(DOCUMENT, { generation: TS + 1 })),
      "other",
    ),
    take(
      "LA14",
      "the generation of what is held, and another digest",
      leased(leaseOf(DOCUMENT, { digest: LATER.digest })),
      "other",
    ),
    take("LA5", "generation 9e15", leased(leaseOf(DOCUMENT, { generation: MAX })), "other"),
    take("LA5", "generation 1", leased(leaseOf(DOCUMENT, { generation: 1 })), "other"),
    take("LA9", "signed by another key", leased(lease, { kind: "lease", by: STRANGER }), "signature"),
    take(
      "LA9",
      "another lease than was signed",
      jcs({ ...right, payload: jcs(leaseOf(DOCUMENT, { generation: TS + 1 })) }),
      "signature",
    ),
    take("LA10", "signed as a document", leased(lease, { kind: "state" }), "signature"),
    take(
      "LA11",
      "signed for another environment",
      leased(lease, { kind: "lease", env: "prod" }),
      "signature",
    ),
    take("LA12", "the answer to another question", answerOf(DOCUMENT, { nonce: OTHER_NONCE }), "nonce"),
    take(
      "LA12 LA13",
      "the answer to another question brings a later document, which is not looked at (order)",
      answerOf(LATER, { bring: true, nonce: OTHER_NONCE }),
      "nonce",
    ),
    take(
      "LA12 LA9",
      "another nonce, signed by another key (order)",
      leased(leaseOf(DOCUMENT, { nonce: OTHER_NONCE }), { kind: "lease", by: STRANGER }),
      "signature",
    ),
    take(
      "LA12 LA14",
      "another nonce, and names another document (order)",
      answerOf(LATER, { nonce: OTHER_NONCE }),
      "nonce",
    ),
    bad("LA1", "a member more", jcs({ ...right, generation: TS })),
    bad("LA1", "no signature", jcs(cut({ ...right, signature: undefined }))),
    bad("LA1", "a space", jcs(right).replace(",", ", ")),
    bad("LA1", "a line feed at its end", `${jcs(right)}\n`),
    bad("LA1", "no JSON", ""),
    bad("LA1", "no v", jcs(cut({ ...right, v: undefined }))),
    bad("LA1", "no payload", jcs(cut({ ...right, payload: undefined }))),
    bad("LA2", "v 2", jcs({ ...right, v: 2 })),
    bad("LA2", "v null", jcs({ ...right, v: null })),
    bad("LA3", "a payload null", jcs({ ...right, payload: null })),
    bad("LA3", "the lease as an object", jcs({ ...right, payload: lease })),
    badLease("LA4", "a nonce null", { nonce: null }),
    badLease("LA5", "a generation null", { generation: null }),
    badLease("LA6", "a digest null", { digest: null }),
    bad("LA7", "a signature null", jcs({ ...right, signature: null })),
    badPayload("a space in the lease", jcs(lease).replace(",", ", ")),
    badPayload("a member of the lease twice", jcs(lease).replace(/}$/, `,"nonce":"${NONCE}"}`)),
    badPayload("a member more in the lease", jcs({ ...lease, v: 1 })),
    ...["nonce", "generation", "digest"].map((name) =>
      badPayload(`a lease without ${name}`, jcs(cut({ ...lease, [name]: undefined }))),
    ),
    ...digestLike("LA4", "nonce", NONCE, "B", (nonce) => ({ nonce }), badLease),
    ...[0, MAX + 1, 2 ** 53 - 1, 1.5, "7"].map((generation) =>
      badLease("LA5", `generation ${JSON.stringify(generation)}`, { generation }),
    ),
    ...digestLike("LA6", "digest", DIGEST, "B", (digest) => ({ digest }), badLease),
    bad("LA7", "a signature with padding", jcs({ ...right, signature: `${signature}==` })),
    bad("LA7", "a signature of 85 characters", jcs({ ...right, signature: signature.slice(0, 85) })),
    bad(
      "LA7",
      "a signature whose last bits are not zero",
      jcs({ ...right, signature: signature.slice(0, 85) + last }),
    ),
    bad("LA8", "a state null", jcs({ ...right, state: null })),
    bad("LA8", "a state as a text", jcs({ ...right, state: DOCUMENT.message })),
    ...Object.keys(DOCUMENT.signed).flatMap((name) => [
      bad(
        "LA8",
        `a state without ${name}`,
        jcs({ ...right, state: cut({ ...DOCUMENT.signed, [name]: undefined }) }),
      ),
      bad(
        "LA8",
        `a state whose ${name} is null`,
        jcs({ ...right, state: { ...DOCUMENT.signed, [name]: null } }),
      ),
    ]),
    bad("LA8", "a state of v 2", jcs({ ...right, state: { ...DOCUMENT.signed, v: 2 } })),
    bad("LA8", "a state whose payload has 32,769 characters", jcs({ ...right, state: TOO_LONG })),
    bad("LA8", "a state with a member more", jcs({ ...right, state: { ...DOCUMENT.signed, kind: "state" } })),
    bad(
      "LA8",
      "a state whose signature has padding",
      jcs({ ...right, state: { ...DOCUMENT.signed, signature: `${DOCUMENT.signed.signature}==` } }),
    ),
  ];
}
