import { fixed, make } from "./fixed.ts";
import { base64url } from "./reference.ts";
import { type Rules, ruleList } from "./situations.ts";

interface Form {
  readonly ciphertext: string;
  readonly header: string;
  readonly tag: string;
}

/** Envelopes in both forms, and invalid texts of the JSON form. */
export function jsonForms() {
  const both = (name: string, { bytes, text }: ReturnType<typeof make>) => ({
    name,
    rules: ["J1", "J2", "J3", "J5", "J6"],
    envelope: bytes.toString("hex"),
    json: write(formOf(bytes, text)),
  });
  const long = make({ write: (text) => text.padEnd(4096, "~") });
  return {
    forms: [
      both("a request", make()),
      both("an empty body", make({ body: Buffer.alloc(0), counter: 2 })),
      both("a body of one byte", make({ body: Buffer.alloc(1, 0xff), counter: 3 })),
      both("a body of two bytes", make({ body: Buffer.alloc(2, 0xff), counter: 4 })),
      both("a chunk", make({ phase: "response", members: { seq: 0, final: 0 } })),
      {
        ...both("a header of 4096 bytes, which no opener takes", { ...long, text: headerOf(long.bytes) }),
        rules: ["J4"],
      },
    ],
    refused: refusedTexts(),
    refused_bytes: [
      {
        name: "a byte order mark",
        rules: ["J1"],
        reason: "malformed",
        json_hex: hex(Buffer.from(`\ufeff${USUAL_TEXT}`)),
      },
      {
        name: "bytes that are no UTF-8",
        rules: ["J1"],
        json_hex: hex(Buffer.from(`${USUAL_TEXT}\xff`, "latin1")),
      },
      { name: "nothing", rules: ["J1"], reason: "malformed", json_hex: "" },
    ],
    refused_envelopes: [
      {
        name: "an envelope of 19 bytes",
        rules: ["B1"],
        reason: "malformed",
        envelope: hex(Buffer.alloc(19)),
      },
      {
        name: "an envelope whose header is not ASCII",
        rules: ["J3"],
        reason: "malformed",
        envelope: hex(make({ write: (text) => `${text}é` }).bytes),
      },
      {
        name: "an envelope whose header has a line feed",
        rules: ["J3"],
        reason: "malformed",
        envelope: hex(make({ write: (text) => `${text}\n` }).bytes),
      },
    ],
  };
}

// a body whose ciphertext and tag have characters of base64url's own alphabet, and bits that fill no byte
const BODY = Array.from({ length: 200 }, (_, index) => fixed(`JSON form ${index}`, 49)).find((body) => {
  const { bytes, text } = make({ body });
  const { ciphertext, tag } = formOf(bytes, text);
  return /[-_]/.test(ciphertext) && /[-_]/.test(tag);
});
const USUAL = make({ body: BODY ?? Buffer.alloc(0) });
const USUAL_FORM = formOf(USUAL.bytes, USUAL.text);
const USUAL_TEXT = write(USUAL_FORM);

function refusedTexts() {
  const form = USUAL_FORM;
  const { ciphertext, header, tag } = form;
  const without = (member: keyof Form) =>
    write(Object.fromEntries(Object.entries(form).filter(([name]) => name !== member)));
  const cases: readonly (readonly [string, Rules, string])[] = [
    ["members in another order", "J1", JSON.stringify({ header, ciphertext, tag })],
    ["a space between members", "J1", USUAL_TEXT.replace(",", ", ")],
    ["a line feed at its end", "J1", `${USUAL_TEXT}\n`],
    ["an escape that is not needed", "J1", USUAL_TEXT.replace("{\\", "\\u007b\\")],
    ["an escaped solidus", "J1", USUAL_TEXT.replace("application/json", "application\\/json")],
    ["a member that stands twice, alike", "J1", USUAL_TEXT.replace("{", `{"ciphertext":"${ciphertext}",`)],
    ["a member that stands twice, and differs", "J1", USUAL_TEXT.replace("{", '{"ciphertext":"AAAA",')],
    ["no JSON", "J1", USUAL_TEXT.slice(0, -1)],
    ["a text instead of an object", "J2", JSON.stringify(USUAL_TEXT)],
    ["an array", "J2", JSON.stringify([ciphertext, header, tag])],
    ["null", "J2", "null"],
    ["no tag", "J2", without("tag")],
    ["no ciphertext", "J2", without("ciphertext")],
    ["no header", "J2", without("header")],
    ["a member more", "J2", write({ ...form, kid: "k" })],
    ["a member's name in capitals", "J2", write({ ciphertext, header, Tag: tag })],
    ["the header as an object", "J2", write({ ...form, header: JSON.parse(header) })],
    ["a ciphertext that is null", "J2", write({ ...form, ciphertext: null })],
    ["a tag that is a number", "J2", write({ ...form, tag: 1 })],
    ["a header that is not ASCII", "J3", write({ ...form, header: header.replace("json", "jsön") })],
    ["a header with a line feed", "J3", write({ ...form, header: `${header}\n` })],
    ["a header with DEL", "J3", write({ ...form, header: `${header}\x7f` })],
    ["a header of 4097 bytes", "J4", write({ ...form, header: header.padEnd(4097) })],
    ["a ciphertext with padding", "J5", write({ ...form, ciphertext: padded(ciphertext) })],
    ["a ciphertext in the other alphabet", "J5", write({ ...form, ciphertext: otherAlphabet(ciphertext) })],
    ["a ciphertext whose unused bits are set", "J5", write({ ...form, ciphertext: loose(ciphertext) })],
    [
      "a ciphertext with a space",
      "J5",
      write({ ...form, ciphertext: `${ciphertext.slice(0, 4)} ${ciphertext.slice(4)}` }),
    ],
    ["a ciphertext with a line feed at its end", "J5", write({ ...form, ciphertext: `${ciphertext}\n` })],
    ["a ciphertext of one character", "J5", write({ ...form, ciphertext: "A" })],
    ["a tag with padding", "J6", write({ ...form, tag: padded(tag) })],
    ["a tag in the other alphabet", "J6", write({ ...form, tag: otherAlphabet(tag) })],
    ["a tag whose unused bits are set", "J6", write({ ...form, tag: loose(tag) })],
    ["a tag with a line feed at its end", "J6", write({ ...form, tag: `${tag}\n` })],
    ["a tag of 15 bytes", "J6", write({ ...form, tag: base64url(USUAL.bytes.subarray(-15)) })],
    ["a tag of 17 bytes", "J6", write({ ...form, tag: base64url(USUAL.bytes.subarray(-17)) })],
    ["an empty tag", "J6", write({ ...form, tag: "" })],
  ];
  return cases.map(([name, rules, json]) => ({ name, rules: ruleList(rules), json, reason: "malformed" }));
}

/** Members in the order of their names; equals RFC 8785 for these values. */
function write(form: object): string {
  return JSON.stringify(Object.fromEntries(Object.entries(form).sort(([a], [b]) => (a < b ? -1 : 1))));
}

function formOf(bytes: Buffer, text: string): Form {
  const bodyAt = 4 + text.length;
  return {
    header: text,
    ciphertext: base64url(bytes.subarray(bodyAt, -16)),
    tag: base64url(bytes.subarray(-16)),
  };
}

function headerOf(bytes: Buffer): string {
  return bytes.toString("latin1", 4, 4 + bytes.readUInt32BE(0));
}

function padded(text: string): string {
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}

function otherAlphabet(text: string): string {
  return text.replaceAll("-", "+").replaceAll("_", "/");
}

/** The next character of the alphabet has the same used bits, and the lowest unused one set. */
function loose(text: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return text.slice(0, -1) + alphabet.charAt(alphabet.indexOf(text.slice(-1)) + 1);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
