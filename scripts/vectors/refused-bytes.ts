import { BODY, type Made, type Making, type Members, make } from "./fixed.ts";
import { refused, USUAL_REQUEST } from "./situations.ts";

const MALFORMED = { step: 1, reason: "malformed" } as const;
const NOT_CANONICAL = { step: 2, reason: "not_canonical" } as const;
const VERSION = { step: 2, reason: "version" } as const;
const MEMBERS = { step: 2, reason: "members" } as const;
const TAG = { step: 7, reason: "tag" } as const;

/** Bytes that are no envelope, or whose lengths lie. */
export function refusedBytes() {
  const { bytes } = make();
  const empty = make({ body: Buffer.alloc(0) }).bytes;
  const headerBytes = bytes.readUInt32BE(0);
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ["nothing", Buffer.alloc(0)],
    ["19 bytes", Buffer.alloc(19)],
    ["a header of no bytes", make({ write: () => "" }).bytes],
    ["a header length beyond the message", withLength(bytes, bytes.length)],
    ["a header length that leaves 15 bytes for the tag", withLength(empty, headerBytes + 1)],
    ["a header length of 2^32 - 1", withLength(bytes, 0xffffffff)],
    ["a header length that is 1 short", withLength(bytes, headerBytes - 1)],
    ["a header length that is 1 long", withLength(bytes, headerBytes + 1)],
    ["a header of 4097 bytes", make({ write: (text) => text.padEnd(4097) }).bytes],
    ["an empty body's envelope without its last 4 bytes", empty.subarray(0, -4)],
    ["only the length and the header", bytes.subarray(0, 4 + headerBytes)],
  ];
  return cases.map(([name, envelope]) => refused(name, MALFORMED, envelope, USUAL_REQUEST));
}

/** Headers that are no JSON object. Each is sealed with a tag that is right for it, here and below. */
export function malformedHeaders() {
  return writings(MALFORMED, [
    ["a header that is no JSON", () => "hello"],
    ["a header cut short", (text) => text.slice(0, -1)],
    ["a header that is an array", (text) => `[${text}]`],
    ["a header that is null", () => "null"],
    ["a header in single quotes", (text) => text.replaceAll('"', "'")],
    ["a comma behind the last member", (text) => text.replace("}", ",}")],
    ["a byte order mark", (text) => Buffer.from(`\ufeff${text}`)],
    ["a control character in a text", (text) => text.replace("application/json", "application\n/json")],
    ["a number with a leading zero", (text) => text.replace('"ttl":300', '"ttl":0300')],
    ["two headers", (text) => `${text}${text}`],
  ]);
}

/** JSON objects that are not in their one form. */
export function notCanonicalHeaders() {
  return writings(NOT_CANONICAL, [
    ["a space between members", (text) => text.replace(",", ", ")],
    ["a line feed behind the header", (text) => `${text}\n`],
    ["two members in the wrong order", (text) => text.replace(/("ts":\d+),("ttl":\d+)/, "$2,$1")],
    ["a member that stands twice, alike", (text) => text.replace('"v":1', '"v":1,"v":1')],
    ["a member that stands twice, and differs", (text) => text.replace('"v":1', '"v":2,"v":1')],
    [
      "a provider that stands twice",
      (text) => text.replace('"provider":', '"provider":"anthropic","provider":'),
    ],
    ["an escape that is not needed", (text) => text.replace('"kid":"k', '"kid":"\\u006b')],
    ["an escaped solidus", (text) => text.replace("application/json", "application\\/json")],
    ["a number with a fraction of zero", (text) => text.replace('"ttl":300', '"ttl":300.0')],
    ["a number with an exponent", (text) => text.replace('"ttl":300', '"ttl":3e2')],
    ["1e400", (text) => text.replace('"ttl":300', '"ttl":1e400')],
    ["minus zero", (text) => text.replace('"ttl":300', '"ttl":-0')],
    [
      "an integer beyond 2^53 that a double cannot hold",
      (text) => text.replace('"ttl":300', '"ttl":9007199254740993'),
    ],
    ["a lone high surrogate", (text) => text.replace('"kid":"k', '"kid":"\\ud800')],
    ["a lone low surrogate", (text) => text.replace('"kid":"k', '"kid":"\\udc00')],
    ["surrogates in the wrong order", (text) => text.replace('"kid":"k', '"kid":"\\udc00\\ud800')],
    ["the name __proto__ out of order", (text) => text.replace("}", ',"__proto__":{}}')],
  ]);
}

/** Another version or suite, whatever else may be wrong. */
export function otherVersions() {
  const cases: readonly (readonly [string, Members])[] = [
    ["version 2", { v: 2 }],
    ["version 0", { v: 0 }],
    ["a version in quotes", { v: "1" }],
    ["no version", { v: undefined }],
    ["another suite", { suite: "A256GCM-HKDF-SHA256" }],
    ["no suite", { suite: undefined }],
    ["version 2 with a member that version 1 lacks", { v: 2, x: 1 }],
  ];
  return cases.map(([name, members]) => refused(name, VERSION, make({ members }).bytes, USUAL_REQUEST));
}

/** Canonical headers of the right version whose members are not those of the table. */
export function otherMembers() {
  return writings(MEMBERS, [
    ["the name __proto__ in its place", (text) => text.replace("{", '{"__proto__":{},')],
    [
      "__proto__ that holds a member",
      (text) => withoutMember(text, "kid").replace("{", '{"__proto__":{"kid":"k"},'),
    ],
    ["bytes beyond ASCII", (text) => Buffer.from(text.replace("application/json", "application/jsön"))],
    [
      "bytes that are no UTF-8",
      (text) => Buffer.from(text.replace("application/json", "application/js\xff"), "latin1"),
    ],
    ["a header of 4096 bytes", (text) => text.replace("}", `,"x":"${"x".repeat(4096 - text.length - 7)}"}`)],
  ]);
}

/** One bit or byte that changed on the way; nothing is sealed again. */
export function changedOnTheWay() {
  const { bytes, text } = make();
  const other = make({ counter: 2, body: Buffer.from("another") });
  const bodyAt = 4 + text.length;
  const at = (found: string) => 4 + text.indexOf(found);
  const cases: readonly (readonly [string, { step: number; reason: string }, Uint8Array])[] = [
    ["the lowest bit of the header length", MALFORMED, flip(bytes, 3)],
    ["the first byte of the header", MALFORMED, flip(bytes, 4)],
    ["a quote of the header", MALFORMED, flip(bytes, at('"env"'))],
    ["a letter of a member's name", MEMBERS, flip(bytes, at("model") + 4)],
    ["a digit of the time", TAG, flip(bytes, at('"ts":') + 17)],
    ["a letter of the model", TAG, flip(bytes, at("gpt-5") + 4)],
    ["a digit of the request id", TAG, flip(bytes, at("0f8f"))],
    ["a letter of the replay nonce", TAG, flip(bytes, at('"replay_nonce":') + 20, 0x02)],
    ["the counter", TAG, replaced(bytes, text, "nonce", (value) => `${value.slice(0, -1)}C`)],
    ["the epoch", TAG, replaced(bytes, text, "epoch", (value) => `B${value.slice(1)}`)],
    ["the first bit of the ciphertext", TAG, flip(bytes, bodyAt, 0x80)],
    ["the last bit of the ciphertext", TAG, flip(bytes, bytes.length - 17)],
    ["the first bit of the tag", TAG, flip(bytes, bytes.length - 16, 0x80)],
    ["the last bit of the tag", TAG, flip(bytes, bytes.length - 1)],
    ["a tag cut by 4 bytes", TAG, bytes.subarray(0, -4)],
    ["a tag cut by 1 byte", TAG, bytes.subarray(0, -1)],
    ["a byte more behind the tag", TAG, Buffer.concat([bytes, Buffer.alloc(1)])],
    ["the ciphertext without its first byte", TAG, without(bytes, bodyAt, 1)],
    ["the ciphertext left out", TAG, without(bytes, bodyAt, BODY.length)],
    ["the header of another envelope of the session", TAG, swapHeader(make(), other)],
  ];
  return cases.map(([name, refusal, envelope]) =>
    refused(`changed: ${name}`, refusal, envelope, USUAL_REQUEST),
  );
}

type Refusal = Parameters<typeof refused>[1];

function writings(refusal: Refusal, cases: readonly (readonly [string, NonNullable<Making["write"]>])[]) {
  return cases.map(([name, write]) => refused(name, refusal, make({ write }).bytes, USUAL_REQUEST));
}

function withLength(bytes: Uint8Array, length: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt32BE(length);
  return changed;
}

function withoutMember(text: string, name: string): string {
  return text.replace(new RegExp(`"${name}":"[^"]*",`), "");
}

function flip(bytes: Uint8Array, at: number, mask = 0x01): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ mask;
  return changed;
}

function replaced(bytes: Uint8Array, text: string, name: string, by: (value: string) => string): Buffer {
  const changed = text.replace(new RegExp(`(?<="${name}":")[^"]*`), by);
  return Buffer.concat([bytes.subarray(0, 4), Buffer.from(changed), bytes.subarray(4 + text.length)]);
}

function without(bytes: Uint8Array, at: number, count: number): Buffer {
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)]);
}

function swapHeader(of: Made, by: Made): Buffer {
  return Buffer.concat([by.bytes.subarray(0, 4 + by.text.length), of.bytes.subarray(4 + of.text.length)]);
}
