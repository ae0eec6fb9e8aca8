import { canonical } from "./canonical.ts";
import { fixed, KID, TS } from "./fixed.ts";
import {
  ASKER_PAIR,
  ask,
  END,
  ENVELOPE,
  type Facts,
  GATEWAY,
  GUARD,
  lowOrderKeys,
  STRANGER,
} from "./grant-parties.ts";
import type { UserNkey } from "./nkey.ts";
import { malformedQuestions } from "./question-forms.ts";
import { type Asked, from, type Refused, SITUATION, type Situation, vector } from "./question-situation.ts";

const LONG = `a${"b".repeat(63)}`;

export function acceptedQuestions() {
  const of = (name: string, rules: readonly string[], kid: string, asked: Asked = {}) => ({
    ...vector(name, rules, asked),
    kid,
  });
  const users = {
    ...SITUATION.users,
    orchestrator: { ...SITUATION.users.orchestrator, providers: [LONG], intents: [LONG] },
  };
  const long = { users, providers: [LONG], intents: [LONG], ...from("orchestrator", LONG) };
  const ring = { generation: 7, keys: [{ kid: LONG, state: "active", not_after: null }] };
  return [
    of("for the active key", ["GQ5", "GQ9", "GQ23"], KID),
    of("for a kid that is active", ["GQ5", "GQ23"], KID, { facts: { kid: KID } }),
    of("for a kid that only opens, 1 ms before its end", ["GQ23"], "k-2025-12", {
      facts: { kid: "k-2025-12" },
      situation: { now: END - 1 },
    }),
    of("names of 64 characters", ["GQ3", "GQ4", "GQ5"], LONG, {
      facts: { provider: LONG, intent: LONG, kid: LONG },
      situation: { ...long, ring },
    }),
    of("of a gateway", ["GQ16", "GQ17", "GQ19"], KID, as(GATEWAY, "gateway")),
    of("of an envelope service", ["GQ16"], KID, as(ENVELOPE, "envelope")),
    of("of an envelope service for opening tokens", ["GQ13", "GQ18"], KID, {
      ...as(ENVELOPE, "envelope"),
      facts: { asker: ENVELOPE.publicKey, intent: "scbe-opening-token" },
    }),
    of("for any intent that is served, of a user whose intents are not listed", ["GQ19"], KID, {
      facts: { intent: "embed" },
    }),
    of("for an intent with scbe- in its midst", ["GQ13", "GQ18", "GQ19"], KID, {
      facts: { intent: "a-scbe-b" },
      situation: {
        intents: ["a-scbe-b"],
        users: {
          ...SITUATION.users,
          orchestrator: { ...SITUATION.users.orchestrator, intents: ["a-scbe-b"] },
        },
      },
    }),
    of("a public key whose highest bit is set", ["GQ24"], KID, { facts: { publicKey: withHighBit() } }),
  ];
}

function withHighBit(): Uint8Array {
  const bytes = Buffer.from(ASKER_PAIR.publicBytes);
  bytes.writeUInt8(bytes.readUInt8(31) | 0x80, 31);
  return bytes;
}

function as(signer: UserNkey, user: string): Asked {
  return { facts: { asker: signer.publicKey }, signer, situation: from(user) };
}

export function refusedQuestions() {
  return [...malformedQuestions(), ...CHECKS.flatMap(({ cases }) => cases), ...inOrder()].map(
    ({ name, rules, asked, code, reason }) => ({ ...vector(name, rules, asked), code, reason }),
  );
}

/** All users of a situation, with a change to each. */
function everyUser(asked: Asked, change: object): object {
  const users = asked.situation?.users ?? SITUATION.users;
  return Object.fromEntries(Object.entries(users).map(([name, user]) => [name, { ...user, ...change }]));
}

interface Check {
  readonly rule: string;
  readonly cases: readonly Refused[];
  /** Breaks this check in a request that can be broken in other ways. */
  readonly spoil: (asked: Asked) => Asked;
}

/** The checks from GQ10 on, with requests that fail exactly there. */
const CHECKS: readonly Check[] = [
  check("GQ10", "BAD_REQUEST", "env", { "another environment": (asked) => also(asked, { env: "prod" }) }),
  check("GQ11", "BAD_REQUEST", "subject's provider", {
    "another provider's subject": (asked) =>
      also(asked, {}, { subject: { user: "orchestrator", provider: "anthropic" } }),
  }),
  check("GQ12", "BAD_REQUEST", "provider", {
    "a provider that is not served, though it is the user's": (asked) =>
      also(
        asked,
        { provider: "xai" },
        { ...from("orchestrator", "xai"), users: everyUser(asked, { providers: ["xai"] }) },
      ),
  }),
  check("GQ13", "BAD_REQUEST", "intent", {
    "an intent that is not served, though it is the user's": (asked) =>
      also(asked, { intent: "tools" }, { users: everyUser(asked, { intents: ["tools"] }) }),
    "an intent that begins with scbe, without a hyphen": (asked) =>
      also(asked, { intent: "scbe_opening-token" }),
  }),
  check("GQ14", "FORBIDDEN", "asker", {
    "an nkey that is not listed": (asked) => ({
      ...also(asked, { asker: STRANGER.publicKey }),
      signer: STRANGER,
    }),
  }),
  check("GQ15", "FORBIDDEN", "subject's user", {
    "another user's subject": (asked) => also(asked, {}, from("gateway")),
  }),
  check("GQ16", "FORBIDDEN", "role", {
    "a replay guard": (asked) => guard(asked, "replay-guard"),
    "a trust scorer": (asked) => guard(asked, "trust-scorer"),
    "a rollback controller": (asked) => guard(asked, "rollback-controller"),
    "an operator": (asked) => guard(asked, "operator"),
    "a keyring": (asked) => guard(asked, "keyring"),
  }),
  check("GQ17", "FORBIDDEN", "user's provider", {
    "a provider that is not the user's": (asked) =>
      also(
        asked,
        { provider: "anthropic" },
        { ...from("orchestrator", "anthropic"), users: everyUser(asked, { providers: ["openai"] }) },
      ),
    "a user without providers": (asked) => also(asked, {}, { users: everyUser(asked, { providers: [] }) }),
  }),
  check("GQ18", "FORBIDDEN", "reserved intent", {
    "an orchestrator, for opening tokens": (asked) => also(asked, { intent: "scbe-opening-token" }),
    "an orchestrator that lists it, for opening tokens": (asked) =>
      also(
        asked,
        { intent: "scbe-opening-token" },
        { users: everyUser(asked, { intents: ["scbe-opening-token"] }), intents: ["scbe-opening-token"] },
      ),
    "a gateway, for opening tokens": (asked) => ({
      ...also(asked, { asker: GATEWAY.publicKey, intent: "scbe-opening-token" }, from("gateway")),
      signer: GATEWAY,
    }),
    "an envelope service, for another reserved intent": (asked) => ({
      ...also(asked, { asker: ENVELOPE.publicKey, intent: "scbe-other" }, from("envelope")),
      signer: ENVELOPE,
    }),
  }),
  check("GQ19", "FORBIDDEN", "user's intent", {
    "an intent that is not the user's": (asked) =>
      also(asked, { intent: "embed" }, { users: everyUser(asked, { intents: ["chat"] }) }),
    "a user with an empty list of intents": (asked) =>
      also(asked, {}, { users: everyUser(asked, { intents: [] }) }),
  }),
  check("GQ20", "BUSY", "rate", {
    "one question too many": (asked) => also(asked, {}, { questions_left: 0 }),
  }),
  check("GQ21", "FORBIDDEN", "signature", {
    "signed by another nkey": (asked) => ({ ...asked, signer: STRANGER }),
    "signed for another intent": (asked) => changed(asked, { intent: "embed" }),
    "signed for another provider": (asked) => changed(asked, { provider: "anthropic" }),
    "signed for another kid": (asked) => changed(asked, { kid: "k-2025-12" }),
    "signed for another environment": (asked) => changed(asked, { env: "prod" }),
    "signed with another public key": (asked) => changed(asked, { publicKey: fixed("another", 32) }),
    "signed for another asker": (asked) => changed(asked, { asker: STRANGER.publicKey }),
  }),
  check("GQ22", "NOT_READY", "no ring", { "no ring": (asked) => also(asked, {}, { ring: null }) }),
  check("GQ23", "NO_KEYS", "kid", {
    "an unknown kid": (asked) => also(asked, { kid: "k-2030-01" }),
    "a retired kid": (asked) => also(asked, { kid: "k-2025-11" }),
    "a compromised kid before its end": (asked) => also(asked, { kid: "k-2025-10" }),
    "a kid at its end": (asked) => also(asked, { kid: "k-2025-12" }, { now: END }),
    "the active key, where none is active": (asked) =>
      also(asked, {}, { ring: { generation: 7, keys: SITUATION.ring.keys.slice(1) } }),
    "the active key at its end": (asked) =>
      also(asked, {}, { ring: { generation: 7, keys: [{ kid: KID, state: "active", not_after: TS }] } }),
  }),
  check(
    "GQ24",
    "BAD_REQUEST",
    "low order",
    Object.fromEntries(
      lowOrderKeys().map(([name, publicKey]) => [
        `a public key of low order: ${name}`,
        (asked: Asked) => also(asked, { publicKey }),
      ]),
    ),
  ),
];

function check(
  rule: string,
  code: string,
  reason: string,
  spoils: Readonly<Record<string, (asked: Asked) => Asked>>,
): Check {
  const cases = Object.entries(spoils).map(([name, spoil]) => ({
    name,
    rules: [rule],
    asked: spoil({}),
    code,
    reason,
  }));
  return { rule, cases, spoil: Object.values(spoils)[0] ?? ((asked) => asked) };
}

function also(asked: Asked, facts: Partial<Facts>, situation: Situation = {}): Asked {
  return { ...asked, facts: { ...asked.facts, ...facts }, situation: { ...asked.situation, ...situation } };
}

/** Of a user of this role, with all other permissions. */
function guard(asked: Asked, role: string): Asked {
  const { guard: usual, ...others } = {
    ...SITUATION.users,
    ...(asked.situation?.users as typeof SITUATION.users),
  };
  const situation = {
    ...from("guard", String(asked.facts?.provider ?? "openai")),
    users: { ...others, guard: { ...usual, role } },
  };
  return { ...also(asked, { asker: GUARD.publicKey }, situation), signer: GUARD };
}

/** The signed value differs from the sent one. */
function changed(asked: Asked, facts: Partial<Facts>): Asked {
  const { signature } = ask({ ...asked.facts, ...facts }, asked.signer).question;
  return { ...asked, write: (message) => canonical({ ...JSON.parse(message), signature }) };
}

/** Two checks fail: the first one gives the reason. Pairs that exclude each other are left out. */
const PAIRS = [
  ["GQ10", "GQ11"],
  ["GQ11", "GQ12"],
  ["GQ12", "GQ13"],
  ["GQ13", "GQ14"],
  ["GQ14", "GQ20"],
  ["GQ15", "GQ16"],
  ["GQ16", "GQ17"],
  ["GQ17", "GQ18"],
  ["GQ17", "GQ19"],
  ["GQ18", "GQ20"],
  ["GQ19", "GQ20"],
  ["GQ20", "GQ21"],
  ["GQ21", "GQ22"],
  ["GQ22", "GQ24"],
  ["GQ23", "GQ24"],
] as const;

function inOrder(): readonly Refused[] {
  const known = new Map(CHECKS.map((each) => [each.rule, each]));
  const pairs = PAIRS.map(([first, second]): Refused => {
    const [one, two] = [known.get(first), known.get(second)];
    const [right] = one?.cases ?? [];
    if (one === undefined || two === undefined || right === undefined)
      throw new Error(`no ${first} or ${second}`);
    const asked = one.spoil(two.spoil({}));
    return { ...right, name: `order: ${first} before ${second}`, rules: [first, second], asked };
  });
  const asked: Asked = { facts: { env: "prod" }, write: (message) => ` ${message}` };
  const first = { rules: ["GQ9", "GQ10"], asked, code: "BAD_REQUEST", reason: "malformed" };
  return [{ name: "order: GQ9 before GQ10", ...first }, ...pairs];
}
