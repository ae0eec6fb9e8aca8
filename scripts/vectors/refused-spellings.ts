import { fixed, MINUTE, make, sessionIdOf } from "./fixed.ts";
import { base64url } from "./reference.ts";
import {
  type Case,
  type RequestSituation,
  refusedRequests,
  refusedResponses,
  USUAL_RESPONSE,
} from "./situations.ts";

type Spelling = readonly [name: string, write: (text: string) => string];

/** Other texts that lenient decoders decode to the same bytes. */
const SPELLINGS: readonly Spelling[] = [
  ["with padding", (text) => text + "=".repeat(text.length % 4 === 0 ? 1 : 4 - (text.length % 4))],
  ["in the other alphabet", (text) => text.replaceAll("-", "+").replaceAll("_", "/")],
  ["with a space in it", (text) => `${text.slice(0, 4)} ${text.slice(4)}`],
  ["with a line feed in it", (text) => `${text.slice(0, 4)}\n${text.slice(4)}`],
  ["with a space at its end", (text) => `${text} `],
  ["with a line feed at its end", (text) => `${text}\n`],
  ["with a character of no base64 in it", (text) => `${text.slice(0, 8)}.${text.slice(8)}`],
  ["with a character more", (text) => `${text}A`],
  ["without its last character", (text) => text.slice(0, -1)],
];
const UNUSED_BITS: Spelling = ["with unused bits set", (text) => text.slice(0, -1) + next(text.slice(-1))];
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/**
 * Each member in base64url, valid except for its spelling: a lenient reader gets the true bytes, and the rest of the envelope fits them.
 */
export function requestsOfOtherSpellings() {
  return [
    ...spelled("H1", "commitment"),
    ...spelled("H4", "epoch"),
    ...spelled("H10", "nonce"),
    ...spelled("H13", "replay_nonce"),
    ...spelled("H17", "session_id"),
  ];
}

export function responsesOfOtherSpellings() {
  const hash = search((label) => fixed(`hash ${label}`, 32), base64url);
  const right = base64url(hash);
  const waiting = { ...USUAL_RESPONSE.waiting, hash: hash.toString("hex") };
  return refusedResponses(
    [...SPELLINGS, UNUSED_BITS].map(([name, write]) => [
      `in_reply_to ${name}`,
      "H6",
      make({ phase: "response", members: { in_reply_to: write(right) } }).bytes,
      { waiting },
    ]),
  );
}

function spelled(rule: string, member: string) {
  const sessionId = search(
    (label) => sessionIdOf(`spelled ${label}`, MINUTE),
    (id) => rightOf(member, id),
  );
  const right = rightOf(member, sessionId);
  const spellings = right.length % 4 === 0 ? SPELLINGS : [...SPELLINGS, UNUSED_BITS];
  return refusedRequests(
    spellings.map(
      ([name, write]): Case<RequestSituation> => [
        `${member} ${name}`,
        rule,
        make({ sessionId, members: { ...own(sessionId), [member]: write(right) } }).bytes,
      ],
    ),
  );
}

/** Members that depend on nothing else, with bytes from the session's id. */
function own(sessionId: Buffer) {
  return {
    epoch: base64url(fixed(`epoch ${sessionId.toString("hex")}`, 16)),
    replay_nonce: base64url(fixed(`replay nonce ${sessionId.toString("hex")}`, 24)),
  };
}

function rightOf(member: string, sessionId: Buffer): string {
  const { text } = make({ sessionId, members: own(sessionId) });
  return (JSON.parse(text) as Record<string, string>)[member] ?? "";
}

/** The first value whose text has a character that base64 has in another alphabet. */
function search(make: (label: number) => Buffer, textOf: (value: Buffer) => string): Buffer {
  for (let label = 0; ; label += 1) {
    const value = make(label);
    if (/[-_]/.test(textOf(value))) return value;
  }
}

function next(character: string): string {
  return ALPHABET.charAt(ALPHABET.indexOf(character) + 1);
}
