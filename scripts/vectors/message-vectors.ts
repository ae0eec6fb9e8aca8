import { EPOCH, epochs, GENERATION_MAX, type Members, sequences, text } from "./epoch-vectors.ts";
import { fixed } from "./fixed.ts";
import { forms, headers, timeouts } from "./header-vectors.ts";
import { base64url } from "./reference.ts";
import { trustMessages } from "./trust-vectors.ts";
import { answers, errors, replies, subjects } from "./wire-vectors.ts";

const LEASE = {
  ...{ v: 1, nonce: base64url(fixed("lease nonce", 16)), verifier: "0f8fad5b-d9cb-469f-a165-70867728950e" },
  ...{ held: null, fallback: false },
};
/** Valid and invalid messages in JSON, and the forms of their surroundings on the bus. */
export function messages() {
  return {
    messages: [...canonical(), ...spellings(), ...members(), ...trustMessages(), ...texts(), ...numbers()],
    epochs: epochs(),
    epoch_sequences: sequences(),
    subjects: subjects(),
    replies: replies(),
    headers: headers(),
    forms: forms(),
    timeouts: timeouts(),
    answers: answers(),
    errors: errors(),
  };
}

type Carrier = "ring.get" | "trust.get" | "epoch" | "lease" | "told" | "trust.state";

function accepted(name: string, carrier: Carrier, message: string, ...rules: string[]) {
  return { name, rules, carrier, message, ok: true };
}

function refused(name: string, carrier: Carrier, message: string | Uint8Array, ...rules: string[]) {
  const held =
    typeof message === "string" ? { message } : { message_hex: Buffer.from(message).toString("hex") };
  return { name, rules, carrier, ...held, ok: false, reason: "malformed" };
}

const GET = '{"generation":7,"v":1}';

function canonical() {
  return [
    accepted("a question of two members", "ring.get", GET, "MJ2", "MJ3"),
    accepted("the place of an empty stream", "trust.get", stream('"created":"","seq":0'), "MJ9"),
    accepted("nothing is held", "ring.get", '{"generation":null,"v":1}', "MJ8"),
    accepted("an epoch", "epoch", text(EPOCH), "MJ2", "MJ3", "MJ7"),
    accepted("a question for a lease", "lease", text(LEASE), "MJ2", "MJ8"),
  ];
}

function spellings() {
  return [
    refused("a space behind a colon", "ring.get", '{"generation": 7,"v":1}', "MJ2"),
    refused("a space behind a comma", "ring.get", '{"generation":7, "v":1}', "MJ2"),
    refused("a space before the message", "ring.get", ` ${GET}`, "MJ2"),
    refused("a space behind the message", "ring.get", `${GET} `, "MJ2"),
    refused("a line feed behind the message", "ring.get", `${GET}\n`, "MJ2"),
    refused("a tab in an empty place", "ring.get", '{\t"generation":7,"v":1}', "MJ2"),
    refused("a space in an epoch", "epoch", text(EPOCH).replace(",", ", "), "MJ2"),
    refused("a space in a question for a lease", "lease", text(LEASE).replace(":", ": "), "MJ2"),
    refused("another order", "ring.get", '{"v":1,"generation":7}', "MJ3"),
    refused(
      "another order in a nested object",
      "trust.get",
      '{"stream":{"seq":1,"created":"c"},"v":1}',
      "MJ3",
    ),
    refused("another order of an epoch", "epoch", JSON.stringify(EPOCH), "MJ3"),
    refused("a member twice, alike", "ring.get", '{"generation":7,"generation":7,"v":1}', "MJ4"),
    refused("a member twice, the second right", "ring.get", '{"generation":8,"generation":7,"v":1}', "MJ4"),
    refused("a member twice, the first right", "ring.get", '{"generation":7,"v":1,"v":2}', "MJ4"),
    refused(
      "a member twice in a nested object",
      "trust.get",
      stream('"created":"c","created":"c","seq":1'),
      "MJ4",
    ),
    refused(
      "an environment twice",
      "epoch",
      text(EPOCH).replace('"env":"dev"', '"env":"prod","env":"dev"'),
      "MJ4",
    ),
    refused("a byte order mark", "ring.get", `\ufeff${GET}`, "MJ1"),
    refused("no bytes", "ring.get", "", "MJ7"),
    refused("an array", "ring.get", "[7,1]", "MJ7"),
    refused("an array around it", "ring.get", `[${GET}]`, "MJ7"),
    refused("a text around it", "ring.get", JSON.stringify(GET), "MJ7"),
    refused("null", "ring.get", "null", "MJ7"),
    refused("a second value behind it", "ring.get", GET + GET, "MJ7"),
    refused("a closing brace too few", "ring.get", GET.slice(0, -1), "MJ7"),
    refused("a comma too many", "ring.get", '{"generation":7,"v":1,}', "MJ7"),
    refused("a comment", "ring.get", `${GET}//`, "MJ7"),
    refused("single quotes", "ring.get", GET.replaceAll('"', "'"), "MJ7"),
  ];
}

function members() {
  return [
    refused("an unknown member", "ring.get", '{"generation":7,"more":1,"v":1}', "MJ8"),
    refused("the unknown member __proto__", "ring.get", '{"__proto__":1,"generation":7,"v":1}', "MJ8"),
    refused(
      "the unknown member __proto__, an object",
      "ring.get",
      '{"__proto__":{},"generation":7,"v":1}',
      "MJ8",
    ),
    refused("the unknown member constructor", "ring.get", '{"constructor":1,"generation":7,"v":1}', "MJ8"),
    refused("an unknown member without a name", "ring.get", '{"":1,"generation":7,"v":1}', "MJ8"),
    refused(
      "an unknown member in a nested object",
      "trust.get",
      stream('"created":"c","more":1,"seq":1'),
      "MJ8",
    ),
    refused(
      "__proto__ in a nested object",
      "trust.get",
      stream('"__proto__":null,"created":"c","seq":1'),
      "MJ8",
    ),
    refused("__proto__ among the providers", "trust.state", trust('"__proto__":{}'), "MJ8"),
    refused("an unknown member beside a place", "trust.get", '{"more":1,"stream":null,"v":1}', "MJ8"),
    refused("an unknown member of an epoch", "epoch", text({ ...EPOCH, more: 1 }), "MJ8"),
    refused("an unknown member of a question for a lease", "lease", text({ ...LEASE, more: 1 }), "MJ8"),
    refused("an unknown member of a telling", "told", `${told({}).slice(0, -6)}"more":1,"v":1}`, "MJ8"),
    refused("an unknown member of an event", "told", told({ more: 1 }), "MJ8"),
    refused("the teller, which only stored events have", "told", told({ teller: "orchestrator" }), "MJ8"),
    refused("an unknown member of a provider", "trust.state", trust(provider("1", '"more":1,')), "MJ8"),
    refused("a missing member", "ring.get", '{"v":1}', "MJ8"),
    refused("a missing version", "ring.get", '{"generation":7}', "MJ8"),
    refused("a name in capitals", "ring.get", '{"GENERATION":7,"v":1}', "MJ8"),
    refused("a name in capitals beside the right one", "ring.get", '{"V":1,"generation":7,"v":1}', "MJ8"),
    refused("a name that begins with a capital", "ring.get", '{"Generation":7,"v":1}', "MJ8"),
    refused("a version as a text", "ring.get", '{"generation":7,"v":"1"}', "MJ9"),
    refused("a version as true", "ring.get", '{"generation":7,"v":true}', "MJ9"),
    refused("another version", "ring.get", '{"generation":7,"v":2}', "MJ9"),
    refused("an integer as a text", "ring.get", '{"generation":"7","v":1}', "MJ9"),
    refused("a fraction", "ring.get", '{"generation":7.5,"v":1}', "MJ9"),
    refused("an optional member that is null", "told", told({ request_id: null }), "MJ9"),
    accepted("an optional member that is absent", "told", told({}), "MJ9"),
    accepted("an optional member", "told", told({ request_id: LEASE.verifier }), "MJ9"),
    refused("an optional member of a lease that is null", "lease", text({ ...LEASE, leaving: null }), "MJ9"),
    refused("a UUID in capitals", "told", told({ id: LEASE.verifier.toUpperCase() }), "MJ9"),
    refused("a count above 1 of failures", "told", told({ count: 2 }), "MJ9"),
    accepted("a count above 1 of successes", "told", told({ count: 2, result: "ok" }), "MJ9"),
  ];
}

function texts() {
  const created = (value: string) => stream(`"created":"${value}","seq":1`);
  return [
    accepted("characters beyond ASCII", "trust.get", created("é"), "MJ1", "MJ5"),
    accepted("U+FFFD itself", "trust.get", created("\ufffd"), "MJ1"),
    refused("a byte that is no UTF-8", "trust.get", withByte(created("@"), 0xe9), "MJ1"),
    refused("a byte that is no UTF-8, and a right text", "trust.get", withByte(created("@a"), 0xff), "MJ1"),
    refused("an overlong form", "trust.get", withBytes(created("@"), [0xc1, 0xa1]), "MJ1"),
    refused("a surrogate in UTF-8", "trust.get", withBytes(created("@"), [0xed, 0xa0, 0x80]), "MJ1"),
    refused("UTF-16", "ring.get", Buffer.from(GET, "utf16le"), "MJ1"),
    accepted("a quote that is escaped", "trust.get", created('\\"'), "MJ5"),
    accepted("a line feed that is escaped", "trust.get", created("\\n"), "MJ5"),
    accepted("a control character as an escape", "trust.get", created("\\u001f"), "MJ5"),
    accepted("a slash", "trust.get", created("/"), "MJ5"),
    accepted("U+2028", "trust.get", created("\u2028"), "MJ5"),
    accepted("U+007F", "trust.get", created("\u007f"), "MJ5"),
    refused("a slash that is escaped", "trust.get", created("\\/"), "MJ5"),
    refused("a letter that is escaped", "trust.get", created("\\u0061"), "MJ5"),
    refused("a letter beyond ASCII that is escaped", "trust.get", created("\\u00e9"), "MJ5"),
    refused("U+2028 that is escaped", "trust.get", created("\\u2028"), "MJ5"),
    refused("a line feed as a number", "trust.get", created("\\u000a"), "MJ5"),
    refused("an escape in capitals", "trust.get", created("\\u001F"), "MJ5"),
    refused("a character beyond U+FFFF as two escapes", "trust.get", created("\\ud83d\\ude00"), "MJ5"),
    refused("an escape in a name", "ring.get", '{"generation":7,"\\u0076":1}', "MJ5"),
    refused("a control character as it is", "trust.get", created("\u001f"), "MJ5"),
    accepted("a character beyond U+FFFF", "trust.get", created("\u{1f600}"), "MJ10"),
    refused("a high surrogate alone", "trust.get", created("\\ud83d"), "MJ10"),
    refused("a low surrogate alone", "trust.get", created("\\ude00"), "MJ10"),
    refused("two surrogates in the wrong order", "trust.get", created("\\ude00\\ud83d"), "MJ10"),
    accepted("64 characters", "trust.get", created("c".repeat(64)), "MJ11"),
    refused("65 characters", "trust.get", created("c".repeat(65)), "MJ11"),
    accepted("64 characters of two bytes each", "trust.get", created("é".repeat(64)), "MJ11"),
    accepted("64 characters beyond U+FFFF", "trust.get", created("\u{1f600}".repeat(64)), "MJ11"),
    refused("65 characters beyond U+FFFF", "trust.get", created("\u{1f600}".repeat(65)), "MJ11"),
    accepted("32 letters with a combining accent", "trust.get", created("e\u0301".repeat(32)), "MJ11"),
    refused("33 letters with a combining accent", "trust.get", created("e\u0301".repeat(33)), "MJ11"),
  ];
}

function numbers() {
  const generation = (value: string) => `{"generation":${value},"v":1}`;
  const w = (value: string) => trust(provider(value));
  return [
    refused("1.0", "ring.get", generation("1.0"), "MJ6"),
    refused("1e0", "ring.get", generation("1e0"), "MJ6"),
    refused("1E0", "ring.get", generation("1E0"), "MJ6"),
    refused("10e-1", "ring.get", generation("10e-1"), "MJ6"),
    refused("a version 1.0", "ring.get", '{"generation":7,"v":1.0}', "MJ6"),
    refused("a leading zero", "ring.get", generation("07"), "MJ6"),
    refused("a plus", "ring.get", generation("+7"), "MJ6"),
    refused("hexadecimal", "ring.get", generation("0x7"), "MJ6"),
    refused("-0", "epoch", text(EPOCH).replace(/"from":\d+/, '"from":-0'), "MJ6"),
    refused("0.0", "epoch", text(EPOCH).replace(/"from":\d+/, '"from":0.0'), "MJ6"),
    accepted("0", "epoch", text({ ...EPOCH, from: 0 }), "MJ6"),
    accepted("1", "ring.get", generation("1"), "MJ6", "MJ9"),
    refused("generation 0", "ring.get", generation("0"), "MJ9"),
    refused("generation -1", "ring.get", generation("-1"), "MJ9"),
    accepted("generation 9e15", "ring.get", generation(String(GENERATION_MAX)), "MJ9"),
    refused("9e15 as it is called", "ring.get", generation("9e15"), "MJ6"),
    refused("generation 9e15 + 1", "ring.get", generation(String(GENERATION_MAX + 1)), "MJ9"),
    refused("generation 2^53 - 1", "ring.get", generation("9007199254740991"), "MJ9"),
    refused("generation 2^53", "ring.get", generation("9007199254740992"), "MJ9"),
    refused("generation 2^53 + 1", "ring.get", generation("9007199254740993"), "MJ9"),
    refused("generation 1e400", "ring.get", generation("1e400"), "MJ9"),
    accepted("the number 0.1", "trust.state", w("0.1"), "MJ6"),
    accepted("the number 1e-7", "trust.state", w("1e-7"), "MJ6"),
    accepted("the number 6.5", "trust.state", w("6.5"), "MJ6"),
    accepted("the number 1e+21", "trust.state", w("1e+21"), "MJ6"),
    refused("the number NaN", "trust.state", w("NaN"), "MJ6"),
    refused("the number Infinity", "trust.state", w("Infinity"), "MJ6"),
    refused("the number 1e400", "trust.state", w("1e400"), "MJ6"),
    refused("the number 0.0000001", "trust.state", w("0.0000001"), "MJ6"),
    refused("the number 1E-7", "trust.state", w("1E-7"), "MJ6"),
    refused("the number 1e-07", "trust.state", w("1e-07"), "MJ6"),
    refused("the number 1e21", "trust.state", w("1e21"), "MJ6"),
    refused("the number 6.50", "trust.state", w("6.50"), "MJ6"),
    refused("the number 0.1 with more digits than it has", "trust.state", w("0.10000000000000001"), "MJ6"),
  ];
}

function stream(members: string): string {
  return `{"stream":{${members}},"v":1}`;
}

function told(change: Members): string {
  const event = {
    ...{ v: 1, kind: "outcome", id: LEASE.verifier, provider: "openai", at: 1_767_225_612_345 },
    ...{ result: "timeout", count: 1, latency_ms: 30_000 },
    ...change,
  };
  return `{"events":[${text(event)}],"v":1}`;
}

function trust(providers: string): string {
  return `{"providers":{${providers}},"stream":{"created":"c","seq":1},"v":1}`;
}

function provider(w: string, more = ""): string {
  const teller = `{"at":1,"exclusion":null,"exclusions":0,"latch":null,"samples":1,"w":${w}}`;
  const rest = `"latch":null,${more}"quorum":{"needs":1,"of":1},"reuse":null,"tellers":{"orchestrator":${teller}}`;
  return `"openai":{"calibration":null,"doubts":0,${rest}}`;
}

function withByte(message: string, byte: number): Buffer {
  return withBytes(message, [byte]);
}

/** The message with these bytes in place of its `@`. */
function withBytes(message: string, bytes: readonly number[]): Buffer {
  const at = message.indexOf("@");
  return Buffer.concat([
    Buffer.from(message.slice(0, at)),
    Buffer.from(bytes),
    Buffer.from(message.slice(at + 1)),
  ]);
}
