import {
  bad,
  badPayload,
  EMOJI,
  flag,
  kill,
  of,
  ofLength,
  reader,
  refused,
  UNPAIRED,
} from "./control-forms.ts";
import { accepted, refusedMembers } from "./control-members.ts";
import {
  type Change,
  CONTROLLER,
  documentOf,
  flagging,
  type JsonObject,
  jcs,
  KILL,
  killing,
  READER,
  type Signing,
  STRANGER,
  signed,
  signedBytes,
  stateOf,
} from "./control-reference.ts";
import { sequences, skewWindows } from "./control-sequences.ts";
import { TS } from "./fixed.ts";
import { base64url } from "./reference.ts";

/** Control documents, the one in force among several, and what they widen. */
export function controls() {
  return {
    ...READER,
    example: example(),
    documents: documents(),
    sequences: sequences(),
    skew_windows: skewWindows(),
  };
}

/** A document in every step of its construction, as on the page. */
function example() {
  const change = {
    after: TS - 60_000,
    ...killing(null, { openai: KILL }),
    ...flagging(true, { anthropic: { enabled: true, traffic_percentage: 25 } }),
    fallback: { causes: ["flags"] },
  };
  const { payload, digest, signed, message } = documentOf(change);
  return {
    name: "example",
    rules: ["CD1", "CD5"],
    state: stateOf(change),
    payload,
    signed_bytes: signedBytes(payload).toString("hex"),
    ...{ signature: signed.signature, digest, message },
  };
}

/** Single documents for a reader in dev. */
export function documents(): object[] {
  return [
    ...accepted(),
    ...refusedMembers(),
    ...refusedPayloads(),
    ...refusedMessages(),
    ...refusedSignatures(),
  ];
}

function refusedPayloads(): object[] {
  const right = jcs(stateOf());
  const unpaired = (what: string, escaped: string) =>
    badPayload("CM32", what, jcs(stateOf(kill({ reason: UNPAIRED }))).replace(UNPAIRED, escaped));
  return [
    badPayload("CD5", "a space in the payload", right.replace(",", ", ")),
    badPayload("CD5", "a line feed after the payload", `${right}\n`),
    badPayload("CD5", "a byte order mark before the payload", `\ufeff${right}`),
    badPayload("CD5", "members in another order", `{"v":1,${right.slice(1).replace(/,"v":1}$/, "}")}`),
    badPayload("CD5", "a member twice", right.replace(/}$/, ',"v":1}')),
    badPayload(
      "CD5",
      "a member twice, first with another value",
      right.replace('"env":', '"env":"prod","env":'),
    ),
    badPayload("CD5", "a number written as 1.0", right.replace(/"v":1}$/, '"v":1.0}')),
    badPayload(
      "CD5",
      "a number with an exponent",
      jcs(stateOf({ issued_at: 1000 })).replace(":1000,", ":1e3,"),
    ),
    badPayload(
      "CD5",
      "minus zero",
      jcs(stateOf({ issued_at: 0 })).replace('"issued_at":0', '"issued_at":-0'),
    ),
    badPayload("CD5", "a character escaped that need not be", right.replace('"dev"', String.raw`"\u0064ev"`)),
    badPayload(
      "CD5",
      "an escape in upper case",
      jcs(stateOf(kill({ by: "\u001f" }))).replace("001f", "001F"),
    ),
    badPayload("CD5", "an array", "[]"),
    badPayload("CD5", "nothing", ""),
    badPayload("CD5", "a cut payload", right.slice(0, -1)),
    unpaired("the first half of a surrogate pair", String.raw`\ud800`),
    unpaired("the second half of a surrogate pair", String.raw`\udc00`),
    unpaired("the halves of a surrogate pair in the wrong order", String.raw`\udc00\ud800`),
    bad("CD3", "a payload of 32,769 characters", ofLength(32_769)),
    bad("CD3", "a payload of 32,769 code points, most of two UTF-16 units", ofLength(32_769, EMOJI)),
  ];
}

function refusedMessages(): object[] {
  const right = signed(jcs(stateOf()));
  const { message } = of({});
  const { v, payload, signature } = right;
  const said = (rule: string, name: string, members: JsonObject) => refused(rule, name, jcs(members));
  // Its base64 has a character that base64url does not have.
  const inBase64 =
    Array.from({ length: 64 }, (_, at) => signed(jcs(stateOf({ issued_at: at })))).find((it) =>
      /[-_]/.test(it.signature.slice(0, 85)),
    ) ?? right;
  const standard = inBase64.signature.replaceAll("-", "+").replaceAll("_", "/");
  const raw = Buffer.from(message).toString("hex");
  const quote = Buffer.from('"signature"').toString("hex");
  return [
    said("CD1", "the message has a member more", { ...right, kind: "state" }),
    said("CD1", "the message has no v", { payload, signature }),
    said("CD1", "the message has no signature", { v, payload }),
    said("CD1", "a member's name of the message in another case", { v, Payload: payload, signature }),
    refused("CD1", "a space in the message", message.replace(",", ", ")),
    refused("CD1", "a line feed after the message", `${message}\n`),
    refused("CD1", "a member of the message twice", message.replace(/}$/, ',"v":1}')),
    refused(
      "CD1",
      "the message's members in another order",
      `{"v":1,${message.slice(1).replace(/,"v":1}$/, "}")}`,
    ),
    refused("CD1", "the message's v written as 1.0", message.replace(/1}$/, "1.0}")),
    refused("CD1", "the message is no JSON", "{"),
    refused("CD1", "the message is an array", "[]"),
    refused("CD1", "the message is empty", ""),
    {
      ...{ name: "a byte that is no UTF-8", rules: ["CD1"], ...reader },
      ...{ message_hex: raw.replace(quote, `ff${quote}`), ok: false, reason: "malformed" },
    },
    said("CD2", "the message's v is 2", { ...right, v: 2 }),
    said("CD2", "the message's v is a text", { ...right, v: "1" }),
    said("CD3", "the payload as an object", { ...right, payload: stateOf() }),
    said("CD4", "a signature with padding", { ...right, signature: `${signature}==` }),
    said("CD4", "a signature of 85 characters", { ...right, signature: signature.slice(0, 85) }),
    said("CD4", "a signature whose last bits are not zero", {
      ...right,
      signature: nextCharacter(signature),
    }),
    said("CD4", "a signature that ends in a, which is A in lower case", {
      ...right,
      signature: `${signature.slice(0, -1)}a`,
    }),
    said("CD4", "a signature of 87 characters", { ...right, signature: `A${signature}` }),
    said("CD4", "a signature in base64", { ...inBase64, signature: standard }),
    said("CD4", "a signature with a line feed at its end", { ...right, signature: `${signature}\n` }),
    said("CD4", "a signature null", { ...right, signature: null }),
  ];
}

/** The same bytes to a decoder that drops the last bits. */
function nextCharacter(signature: string): string {
  const last = { A: "B", Q: "R", g: "h", w: "x" }[signature.at(-1) ?? ""] ?? "";
  return signature.slice(0, -1) + last;
}

function refusedSignatures(): object[] {
  const payload = jcs(stateOf());
  const by = (rule: string, name: string, change: Change, signing: Signing, reason = "signature") =>
    refused(rule, name, documentOf(change, signing).message, reason);
  const changed = jcs(stateOf(flagging(false)));
  return [
    by("CD6", "signed by another key", {}, { by: STRANGER }),
    refused(
      "CD6",
      "another payload than was signed",
      jcs({ ...signed(payload), payload: changed }),
      "signature",
    ),
    refused("CD6", "a signature of zeros", jcs({ v: 1, payload, signature: "A".repeat(86) }), "signature"),
    by("CD6", "signed as another kind", {}, { kind: "chaos" }),
    refused(
      "CD6",
      "the payload alone is signed",
      jcs({ v: 1, payload, signature: base64url(controllerSigns(payload)) }),
      "signature",
    ),
    by("CD7", "signed as a lease", {}, { kind: "lease" }),
    by("CD8", "of another environment", { env: "prod" }, { env: "prod" }),
    by("CD8", "signed for another environment, though it names this one", {}, { env: "prod" }),
    by("CD9", "signed for this environment, though it names another one", { env: "prod" }, {}, "env"),
    {
      ...{
        name: "signed by another key, and of another environment (order)",
        rules: ["CD6", "CD9"],
        ...reader,
      },
      ...{ message: documentOf({ env: "prod" }, { by: STRANGER }).message, ok: false, reason: "signature" },
    },
    {
      ...{ name: "signed by another key, and a share absent (order)", rules: ["CM14", "CD6"], ...reader },
      message: documentOf(flag({ traffic_percentage: undefined }), { by: STRANGER }).message,
      ...{ ok: false, reason: "malformed" },
    },
    {
      ...{ name: "names another environment, and a share absent (order)", rules: ["CM14", "CD9"], ...reader },
      message: documentOf({ env: "prod", ...flag({ traffic_percentage: undefined }) }).message,
      ...{ ok: false, reason: "malformed" },
    },
    {
      ...{ name: "in prod, a document of prod", rules: ["CD8", "CD9"], env: "prod" },
      message: documentOf({ env: "prod" }, { env: "prod" }).message,
      ...{ ok: true, generation: TS, digest: documentOf({ env: "prod" }, { env: "prod" }).digest },
    },
  ];
}

function controllerSigns(payload: string): Uint8Array {
  return CONTROLLER.sign(Buffer.from(payload));
}
