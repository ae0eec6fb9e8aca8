import { make } from "./fixed.ts";
import { base64url } from "./reference.ts";

/** Envelopes in both forms, and values that are no envelope in the JSON form. */
export function jsonForms() {
  const whole = make();
  const empty = make({ body: Buffer.alloc(0), counter: 2 });
  const response = make({ phase: "response", members: { seq: 0, final: 0 } });
  const both = (name: string, { bytes, text }: typeof whole) => ({
    name,
    envelope: bytes.toString("hex"),
    json: formOf(bytes, text),
  });
  const form = formOf(whole.bytes, whole.text);
  const { tag: _, ...untagged } = form;
  return {
    forms: [both("a request", whole), both("an empty body", empty), both("a chunk", response)],
    refused: [
      { name: "a text instead of an object", json: JSON.stringify(form) },
      { name: "no tag", json: untagged },
      { name: "a member more", json: { ...form, kid: "k" } },
      { name: "the header as an object", json: { ...form, header: JSON.parse(form.header) } },
      { name: "a header that is not ASCII", json: { ...form, header: form.header.replace("json", "jsön") } },
      { name: "a header with a line feed", json: { ...form, header: `${form.header}\n` } },
      { name: "a header of 4097 bytes", json: { ...form, header: form.header.padEnd(4097) } },
      { name: "a tag with padding", json: { ...form, tag: `${form.tag}==` } },
      { name: "a tag of 15 bytes", json: { ...form, tag: base64url(whole.bytes.subarray(-15)) } },
      { name: "a tag whose unused bits are set", json: { ...form, tag: `${"A".repeat(21)}B` } },
      { name: "a ciphertext in the other alphabet", json: { ...form, ciphertext: "+/+/" } },
      { name: "a ciphertext whose unused bits are set", json: { ...form, ciphertext: "AB" } },
      { name: "a ciphertext of one character", json: { ...form, ciphertext: "A" } },
      { name: "a ciphertext with a space", json: { ...form, ciphertext: "AAAA AAAA" } },
    ],
  };
}

function formOf(bytes: Buffer, text: string) {
  const bodyAt = 4 + text.length;
  return {
    header: text,
    ciphertext: base64url(bytes.subarray(bodyAt, -16)),
    tag: base64url(bytes.subarray(-16)),
  };
}
