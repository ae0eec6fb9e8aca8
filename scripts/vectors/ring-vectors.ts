import { canonical, otherTexts } from "./canonical.ts";
import { KID, TS } from "./fixed.ts";
import { END, KEYRING, STRANGER } from "./grant-parties.ts";
import type { UserNkey } from "./nkey.ts";
import { base64url, lp } from "./reference.ts";
import { firstShowing, otherSpellings } from "./spellings.ts";

const HIGHEST = 9_000_000_000_000_000;
const LONG = `a${"b".repeat(63)}`;
const ACTIVE = { kid: KID, not_after: null, state: "active" };
const KEYS = [
  ACTIVE,
  { kid: "k-2025-12", not_after: END, state: "decrypt-only" },
  { kid: "k-2025-11", not_after: null, state: "retired" },
];
const RING = { env: "dev", generation: 7, keys: KEYS };

/** Broadcasts of rings with valid signatures of any content; `env` is the reader's. */
export function rings() {
  return { keyring: KEYRING.publicKey, rings: accepted(), refused_rings: [...refused(), ...inOrder()] };
}

function sign(payload: string, by: UserNkey = KEYRING) {
  const signature = by.sign(Buffer.concat([lp("scbe/v1/ring"), lp(payload)]));
  return { members: { v: 1, payload, signature: base64url(signature) }, signature };
}

const messageOf = (ring: object, by = KEYRING) => canonical(sign(canonical(ring), by).members);
const keyed = (...keys: object[]) => ({ ...RING, keys });
const retired = (kid: string) => ({ kid, not_after: null, state: "retired" });
const many = (count: number) => Array.from({ length: count }, (_, n) => retired(`k${n}`));

function accepted() {
  const of = (
    name: string,
    rules: readonly string[],
    ring:
      | typeof RING
      | { readonly env: string; readonly generation: number; readonly keys: readonly object[] },
  ) => {
    return { name, rules, env: ring.env, message: messageOf(ring), ring };
  };
  const [first, second, third] = KEYS;
  const states = ["active", "decrypt-only", "retired", "compromised"];
  return [
    of("a ring of three keys", ["RI1", "RI4", "RI5", "RI13", "RI14"], RING),
    of("no keys", ["RI7", "RI12"], { ...RING, keys: [] }),
    of("no active key", ["RI12"], keyed(retired("a"), { ...ACTIVE, state: "decrypt-only", not_after: TS })),
    of("the active key last", ["RI15"], keyed(third as object, second as object, first as object)),
    of("kids that are not in their order", ["RI15"], keyed(retired("b"), retired("a"))),
    of("64 keys", ["RI7"], { ...RING, keys: many(64) }),
    of("the lowest generation", ["RI6"], { ...RING, generation: 1 }),
    of("the highest generation", ["RI6"], { ...RING, generation: HIGHEST }),
    of("of staging", ["RI6", "RI14"], { ...RING, env: "staging" }),
    of("of prod", ["RI6", "RI14"], { ...RING, env: "prod" }),
    of("all states", ["RI9"], keyed(...states.map((state, n) => ({ kid: `k${n}`, not_after: END, state })))),
    of("kids of one and of 64 characters", ["RI8"], keyed(retired("0"), retired(LONG))),
    of("kids that differ in one character", ["RI11"], keyed(retired("k-1"), retired("k_1"))),
    of("the lowest end", ["RI10"], keyed({ ...ACTIVE, not_after: 0 })),
    of("the highest end", ["RI10"], keyed({ ...ACTIVE, not_after: HIGHEST })),
    of("an end of a retired key", ["RI10"], keyed({ ...retired("a"), not_after: END })),
  ];
}

function of(rules: string | readonly string[], reason: string, name: string, message: string, env = "dev") {
  return { name, rules: [rules].flat(), env, message, reason };
}

function refused() {
  const malformed = (rule: string, name: string, message: string, env?: string) =>
    of(rule, "malformed", name, message, env);
  const ring = (rule: string, name: string, change: object) =>
    malformed(rule, name, messageOf({ ...RING, ...change }));
  const key = (rule: string, name: string, change: object) =>
    ring(rule, name, { keys: [{ ...ACTIVE, ...change }] });
  const text = (name: string, payload: string) =>
    malformed("RI4", `the payload: ${name}`, canonical(sign(payload).members));
  const right = sign(canonical(RING));
  const member = (rule: string, name: string, change: object) =>
    malformed(rule, name, canonical({ ...right.members, ...change }));
  const payload = canonical(RING);
  const shown = firstShowing(
    (n) => sign(canonical({ ...RING, generation: 8 + n })),
    ({ signature }) => [signature],
  );
  return [
    ...otherTexts(canonical(right.members)).map(([name, message]) =>
      malformed("RI1", `the message: ${name}`, message),
    ),
    malformed("RI1", "the message: empty", ""),
    member("RI1", "a member more", { w: 1 }),
    ...Object.entries({ v: "RI2", payload: "RI1", signature: "RI3" }).flatMap(([name, rule]) => [
      member(rule, `${name}: absent`, { [name]: undefined }),
      member(rule, `${name}: null`, { [name]: null }),
    ]),
    member("RI1", "the payload as an object", { payload: RING }),
    member("RI2", "v: 2", { v: 2 }),
    ...otherSpellings(shown.signature).map(([name, signature]) =>
      malformed("RI3", `signature: ${name}`, canonical({ ...shown.members, signature })),
    ),
    member("RI3", "signature: 63 bytes", { signature: base64url(right.signature.subarray(0, 63)) }),
    member("RI3", "signature: 65 bytes", {
      signature: base64url(Buffer.concat([right.signature, Buffer.of(0)])),
    }),
    member("RI3", "signature: empty", { signature: "" }),
    text("a space", payload.replace(":", ": ")),
    text("a line feed at its end", `${payload}\n`),
    text(
      "a member twice, with the same value",
      payload.replace('"generation":7', '"generation":7,"generation":7'),
    ),
    text(
      "a member twice, with another value first",
      payload.replace('"generation":7', '"generation":8,"generation":7'),
    ),
    text(
      "another order of members",
      payload.replace('"env":"dev","generation":7', '"generation":7,"env":"dev"'),
    ),
    text(
      "another order of a key's members",
      payload.replace(`"kid":"${KID}","not_after":null`, `"not_after":null,"kid":"${KID}"`),
    ),
    text("an escape", payload.replace('"active"', '"\\u0061ctive"')),
    text("7.0 for an integer", payload.replace('"generation":7', '"generation":7.0')),
    text("7e0 for an integer", payload.replace('"generation":7', '"generation":7e0')),
    text("empty", ""),
    ring("RI5", "a member more in the payload", { x: 1 }),
    ...Object.entries({ env: "RI6", generation: "RI6", keys: "RI7" }).flatMap(([name, rule]) => [
      ring("RI5", `the payload: ${name} absent`, { [name]: undefined }),
      ring(rule, `the payload: ${name} null`, { [name]: null }),
    ]),
    key("RI5", "a member more in a key", { x: 1 }),
    ...["kid", "state", "not_after"].map((name) =>
      key("RI5", `a key: ${name} absent`, { [name]: undefined }),
    ),
    key("RI8", "kid: null", { kid: null }),
    malformed(
      "RI6",
      "an unknown environment, though it is the reader's",
      messageOf({ ...RING, env: "test" }),
      "test",
    ),
    ring("RI6", "a generation of 0", { generation: 0 }),
    ring("RI6", "a negative generation", { generation: -1 }),
    ring("RI6", "a fraction as a generation", { generation: 7.5 }),
    ring("RI6", "a generation above the highest", { generation: HIGHEST + 1 }),
    ring("RI6", "a generation of 2^53 - 1", { generation: Number.MAX_SAFE_INTEGER }),
    ring("RI6", "a text as a generation", { generation: "7" }),
    ring("RI7", "65 keys", { keys: many(65) }),
    ring("RI7", "keys as an object", { keys: {} }),
    key("RI8", "kid: empty", { kid: "" }),
    key("RI8", "kid: 65 characters", { kid: `${LONG}b` }),
    key("RI8", "kid: an upper-case character", { kid: "aB" }),
    key("RI8", "kid: begins with a hyphen", { kid: "-a" }),
    key("RI8", "kid: a line feed at its end", { kid: "a\n" }),
    key("RI9", "an unknown state", { state: "resting" }),
    key("RI9", "a state in upper case", { state: "ACTIVE" }),
    key("RI9", "no state", { state: null }),
    key("RI10", "not_after: a fraction", { not_after: 1.5 }),
    key("RI10", "not_after: negative", { not_after: -1 }),
    key("RI10", "not_after: above the highest", { not_after: HIGHEST + 1 }),
    key("RI10", "not_after: a text", { not_after: "1" }),
    key("RI10", "not_after: false", { not_after: false }),
    ring("RI11", "a kid twice, in the same state", { keys: [ACTIVE, retired("a"), retired("a")] }),
    ring("RI11", "a kid twice, active and retired", { keys: [ACTIVE, retired(KID)] }),
    ring("RI12", "two active keys", { keys: [ACTIVE, { ...ACTIVE, kid: "k-2" }] }),
    ring("RI12", "two active keys, one of which has ended", {
      keys: [ACTIVE, { ...ACTIVE, kid: "k-2", not_after: 1 }],
    }),
    of("RI13", "signature", "signed by another nkey", messageOf(RING, STRANGER)),
    of(
      "RI13",
      "signature",
      "another payload than was signed",
      canonical({ ...right.members, payload: canonical({ ...RING, generation: 8 }) }),
    ),
    of(
      "RI13",
      "signature",
      "signed as another kind of text",
      canonical({
        ...right.members,
        signature: base64url(KEYRING.sign(Buffer.concat([lp("scbe/v1/ring-record"), lp(payload)]))),
      }),
    ),
    of(
      "RI13",
      "signature",
      "signed without the length of the payload",
      canonical({
        ...right.members,
        signature: base64url(KEYRING.sign(Buffer.concat([lp("scbe/v1/ring"), Buffer.from(payload)]))),
      }),
    ),
    of("RI14", "env", "another environment's", messageOf(RING), "prod"),
    of("RI14", "env", "prod's, at a reader of staging", messageOf({ ...RING, env: "prod" }), "staging"),
  ];
}

/** Two checks fail: the first one gives the reason. */
function inOrder() {
  return [
    of(
      ["RI4", "RI13"],
      "malformed",
      "order: RI4 before RI13",
      canonical(sign(canonical(RING).replace(":", ": "), STRANGER).members),
    ),
    of(
      ["RI12", "RI13"],
      "malformed",
      "order: RI12 before RI13",
      messageOf(keyed(ACTIVE, { ...ACTIVE, kid: "k-2" }), STRANGER),
    ),
    of(["RI13", "RI14"], "signature", "order: RI13 before RI14", messageOf(RING, STRANGER), "prod"),
  ];
}
