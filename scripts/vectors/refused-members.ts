import {
  CONTEXT,
  heldKey,
  KID,
  type Making,
  type Members,
  make,
  REQUEST_HASH,
  sessionIdOf,
  TS,
} from "./fixed.ts";
import { base64url, type KeyContext } from "./reference.ts";
import {
  type Case,
  type RequestSituation,
  type ResponseSituation,
  refusedRequests,
  refusedResponses,
  type Special,
  USUAL_RESPONSE,
} from "./situations.ts";

/** Invalid names. The opener knows them, so that only their form is wrong. */
const NO_NAMES: readonly (readonly [string, string])[] = [
  ["empty", ""],
  ["with a hyphen first", "-a"],
  ["with an underscore first", "_a"],
  ["with a capital first", "Aa"],
  ["with a capital in it", "aA"],
  ["with a dot in it", "a.a"],
  ["with a space at its end", "a "],
  ["with a line feed at its end", "a\n"],
  ["beyond ASCII", "é"],
  ["of 65 characters", "a".repeat(65)],
];

const DIGITS = "0f8fad5bd9cb469fa16570867728950e";
const UUID = "0f8fad5b-d9cb-469f-a165-70867728950e";
const HEX_64 = "a".repeat(64);

/** Invalid values of members that nothing else of the envelope depends on. */
const VALUES: readonly (readonly [
  rule: string,
  member: string,
  values: Readonly<Record<string, unknown>>,
])[] = [
  [
    "H2",
    "content_type",
    {
      "that is empty": "",
      "of 129 characters": "x".repeat(129),
      "with an escaped quote": 'text/plain; a="b"',
      "with an escaped backslash": "text\\plain",
      "with DEL": "text/plain\x7f",
      "with a tab": "text/plain;\tq=1",
      "with a line feed at its end": "text/plain\n",
      "that is a number": 1,
      "that is null": null,
    },
  ],
  [
    "H9",
    "model",
    {
      "that is empty": "",
      "of 129 characters": "m".repeat(129),
      "with a space": "gpt 5",
      "with a line feed at its end": "gpt-5\n",
      "with a hash sign": "gpt#5",
      "beyond ASCII": "gpt-é",
      "that is a number": 5,
      "that is null": null,
    },
  ],
  [
    "H14",
    "request_id",
    {
      "that is empty": "",
      "in capitals": UUID.toUpperCase(),
      "with one capital": UUID.replace("f", "F"),
      "without hyphens": DIGITS,
      "in braces": `{${UUID}}`,
      "with a prefix": `urn:uuid:${UUID}`,
      "of 35 characters": UUID.slice(0, -1),
      "of 37 characters": `${UUID}0`,
      "with a hyphen in the wrong place": "0f8fad5bd-9cb-469f-a165-70867728950e",
      "with a digit for a hyphen": UUID.replace("-", "0"),
      "with a letter that is no digit": UUID.replace("e", "g"),
      "with a line feed at its end": `${UUID}\n`,
      "that is a number": 1,
    },
  ],
  [
    "H15",
    "schema_hash",
    {
      "that is empty": "",
      "that is NONE": "NONE",
      "that is none with a line feed": "none\n",
      "with capital digits": `sha256:${"A".repeat(64)}`,
      "with a capital name": `SHA256:${HEX_64}`,
      "of another function": `sha512:${HEX_64}`,
      "of 63 digits": `sha256:${HEX_64.slice(1)}`,
      "of 65 digits": `sha256:${HEX_64}a`,
      "with a letter that is no digit": `sha256:${HEX_64.slice(1)}g`,
      "with a line feed at its end": `sha256:${HEX_64}\n`,
      "without the function": HEX_64,
      "that is null": null,
    },
  ],
  [
    "H18",
    "ts",
    {
      "in quotes": String(TS),
      "with a fraction": TS + 0.5,
      "that is null": null,
    },
  ],
  [
    "H19",
    "ttl",
    {
      "of 0": 0,
      "below 0": -1,
      "with a fraction": 0.5,
      "of 3601": 3601,
      "in quotes": "300",
      "that is true": true,
      "that is null": null,
      "that is an object": {},
      "in an array": [300],
    },
  ],
];

/** Canonical requests of version 1 with a missing, unknown or malformed member; correctly sealed. */
export function requestsOfOtherMembers() {
  return [
    ...refusedRequests(VALUES.flatMap(([rule, member, values]) => wrong(rule, member, values))),
    ...refusedRequests([...names(), ...environments(), ...times(), ...kinds()]),
  ];
}

function wrong(rule: string, member: string, values: Readonly<Record<string, unknown>>) {
  return Object.entries(values).map(([name, value]): Case<RequestSituation> => {
    const special = { now: TS, window_seconds: 3601 };
    return [`${member} ${name}`, rule, make({ members: { [member]: value } }).bytes, special];
  });
}

function names(): readonly Case<RequestSituation>[] {
  const cases = NO_NAMES.flatMap(([name, value]) => [
    named(`kid ${name}`, "H8", CONTEXT, value),
    named(`provider ${name}`, "H12", { ...CONTEXT, provider: value }),
    named(`intent ${name}`, "H7", { ...CONTEXT, intent: value }),
  ]);
  return [
    ...cases,
    named("kid that is a number", "H8", CONTEXT, "1", { kid: 1 }),
    named("provider that is a number", "H12", { ...CONTEXT, provider: "1" }, KID, { provider: 1 }),
    named("intent that is a number", "H7", { ...CONTEXT, intent: "1" }, KID, { intent: 1 }),
  ];
}

function environments(): readonly Case<RequestSituation>[] {
  const values = ["", "test", "DEV", "dev\n", "development"];
  return values.map((env) => named(`env ${JSON.stringify(env)}`, "H3", { ...CONTEXT, env }));
}

/** An envelope with a name that its opener serves and holds keys for. */
function named(
  name: string,
  rule: string,
  context: KeyContext,
  kid = KID,
  members: Members = {},
): Case<RequestSituation> {
  const { env, provider, intent } = context;
  const special: Special<RequestSituation> = {
    keys: [heldKey(context, kid)],
    serves: { env, providers: [provider], intents: [intent] },
    subject_provider: provider,
  };
  return [name, rule, make({ context, kid, members }).bytes, special];
}

/** Otherwise the opener's clock and session fit. */
function times(): readonly Case<RequestSituation>[] {
  return [10 ** 12 - 1, 10 ** 13].map((ts) => {
    const sessionId = sessionIdOf("edge", Math.floor(ts / 60_000));
    return [`ts of ${ts}`, "H18", make({ sessionId, members: { ts } }).bytes, { now: ts }];
  });
}

function kinds(): readonly Case<RequestSituation>[] {
  const present = Object.keys(JSON.parse(make().text)).filter(
    (member) => member !== "v" && member !== "suite",
  );
  const of = (name: string, rule: string, members: Members): Case<RequestSituation> => [
    name,
    rule,
    make({ members }).bytes,
  ];
  const inReplyTo = base64url(REQUEST_HASH);
  return [
    ...present.map((member) => of(`no ${member} in a request`, "H20", { [member]: undefined })),
    of("a member that is not in the table", "H20", { zone: "eu" }),
    of("a member's name in capitals, beside it", "H20", { PROVIDER: "anthropic" }),
    of("an empty name", "H20", { "": "" }),
    of("in_reply_to in a request", "H20", { in_reply_to: inReplyTo }),
    of("seq and final in a request", "H20", { seq: 0, final: 1 }),
    of("seq in a request", "H20", { seq: 0 }),
    of("a response's members with the phase of a request", "H20", {
      epoch: undefined,
      in_reply_to: inReplyTo,
    }),
    of("a request's members with the phase of a response", "H21", { phase: "response" }),
    ...["", "reply", "Request", "request\n", "requests"].map((phase) =>
      of(`phase ${JSON.stringify(phase)}`, "H11", { phase }),
    ),
    of("a phase that is true", "H11", { phase: true }),
  ];
}

const SEQS: Readonly<Record<string, unknown>> = {
  "below 0": -1,
  "of 2^31": 2 ** 31,
  "with a fraction": 0.5,
  "in quotes": "0",
  "that is null": null,
  "that is false": false,
};
const FINALS: Readonly<Record<string, unknown>> = {
  "below 0": -1,
  "of 2": 2,
  "with a fraction": 0.5,
  "in quotes": "1",
  "that is null": null,
  "that is false": false,
};

export function responsesOfOtherMembers() {
  const of = (
    name: string,
    rule: string,
    members: Members,
    special: Special<ResponseSituation> = {},
  ): Case<ResponseSituation> => {
    const making: Making = { phase: "response", members };
    return [name, rule, make(making).bytes, special];
  };
  const { waiting } = USUAL_RESPONSE;
  const due = (seq: unknown) => ({ waiting: { ...waiting, seq: Number.isInteger(seq) ? Number(seq) : 0 } });
  const epoch = base64url(Buffer.alloc(16, 1));
  return refusedResponses([
    of("no in_reply_to in a response", "H21", { in_reply_to: undefined }),
    of("an epoch in a response", "H21", { epoch }),
    of("a member that is not in the table", "H21", { zone: "eu" }),
    of("a request's members with the phase of a response", "H21", { epoch, in_reply_to: undefined }),
    of("a response's members with the phase of a request", "H20", { phase: "request" }),
    ...["", "reply", "Response", "response\n"].map((phase) =>
      of(`phase ${JSON.stringify(phase)}`, "H11", { phase }),
    ),
    of("seq without final", "H22", { seq: 0 }, due(0)),
    of("final without seq", "H22", { final: 1 }),
    of("no in_reply_to in a chunk", "H22", { seq: 0, final: 1, in_reply_to: undefined }, due(0)),
    of("an epoch in a chunk", "H22", { seq: 0, final: 1, epoch }, due(0)),
    ...Object.entries(SEQS).map(([name, seq]) => of(`seq ${name}`, "H16", { seq, final: 0 }, due(seq))),
    ...Object.entries(FINALS).map(([name, final]) => of(`final ${name}`, "H5", { seq: 0, final }, due(0))),
  ]);
}
