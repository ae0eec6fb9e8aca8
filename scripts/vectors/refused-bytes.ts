import { createCipheriv } from "node:crypto";
import { BODY, CONTEXT, IKM, type Made, make, sessionIdOf } from "./fixed.ts";
import { deriveSession, deriveSubkeys, nonceOf } from "./reference.ts";
import { type Case, type RequestSituation, refusedRequests } from "./situations.ts";

/** Bytes that are no envelope, or have wrong lengths. */
export function refusedBytes() {
  const { bytes } = make();
  const empty = make({ body: Buffer.alloc(0) }).bytes;
  const headerBytes = bytes.readUInt32BE(0);
  const padded = make({ write: (text) => text.padEnd(4097) }).bytes;
  return refusedRequests([
    ["nothing", "B1", Buffer.alloc(0)],
    ["3 bytes", "B1", Buffer.alloc(3)],
    ["19 bytes", "B1", Buffer.alloc(19)],
    ["a header length beyond the message", "B3", withLength(bytes, bytes.length)],
    ["a header length that leaves 15 bytes for the tag", "B3", empty.subarray(0, -1)],
    ["a right header, and the first 15 bytes of a tag of 15 bytes", "B3", shortTag(15)],
    ["a right header, and a tag of 12 bytes", "B3", shortTag(12)],
    ["a right header, and nothing behind it", "B3", bytes.subarray(0, 4 + headerBytes)],
    ["a header length of 2^32 - 1", "B2", withLength(bytes, 0xffffffff)],
    ["a header of 4097 bytes", "B2", padded],
    ["a header of 4097 bytes of members", "B2", make({ write: (text) => extended(text, 4097) }).bytes],
    ["a header of no bytes", "C1", make({ write: () => "" }).bytes],
    ["a header length that is 1 short", "C1", withLength(bytes, headerBytes - 1)],
    ["a header length that is 1 long", "C1", withLength(bytes, headerBytes + 1)],
  ]);
}

/** One changed bit or byte, and tags of other envelopes; nothing is sealed again. */
export function changedOnTheWay() {
  const { bytes, text } = make();
  const other = make({ counter: 2, body: Buffer.from("another") });
  const bodyAt = 4 + text.length;
  const at = (found: string) => 4 + text.indexOf(found);
  const cases: readonly Case<RequestSituation>[] = [
    ["the lowest bit of the header length", "C1", flip(bytes, 3)],
    ["the first byte of the header", "C1", flip(bytes, 4)],
    ["a quote of the header", "C1", flip(bytes, at('"env"'))],
    ["a letter of a member's name", "H20", flip(bytes, at("model") + 4)],
    ["a digit of the time", "A2", flip(bytes, at('"ts":') + 17)],
    ["a letter of the model", "A2", flip(bytes, at("gpt-5") + 4)],
    ["a digit of the request id", "A2", flip(bytes, at("0f8f"))],
    ["a letter of the replay nonce", "A2", flip(bytes, at('"replay_nonce":') + 20, 0x02)],
    ["the counter", "A1", replaced(bytes, text, "nonce", (value) => `${value.slice(0, -1)}C`)],
    ["the epoch", "A2", replaced(bytes, text, "epoch", (value) => `B${value.slice(1)}`)],
    ["the first bit of the ciphertext", "A1", flip(bytes, bodyAt, 0x80)],
    ["the last bit of the ciphertext", "A1", flip(bytes, bytes.length - 17)],
    ["the first bit of the tag", "A3", flip(bytes, bytes.length - 16, 0x80)],
    ["the last bit of the tag", "A3", flip(bytes, bytes.length - 1)],
    ["the last byte of the tag", "A3", flip(bytes, bytes.length - 1, 0xff)],
    ["the last 4 bytes of the tag", "A3", zeroed(bytes, 4)],
    ["the last 8 bytes of the tag", "A3", zeroed(bytes, 8)],
    ["the last 12 bytes of the tag", "A3", zeroed(bytes, 12)],
    ["all of the tag", "A3", zeroed(bytes, 16)],
    ["a tag cut by 4 bytes", "A3", bytes.subarray(0, -4)],
    ["a tag cut by 1 byte", "A3", bytes.subarray(0, -1)],
    ["a byte more behind the tag", "A3", Buffer.concat([bytes, Buffer.alloc(1)])],
    ["the ciphertext without its first byte", "A1", without(bytes, bodyAt, 1)],
    ["the ciphertext left out", "A1", without(bytes, bodyAt, BODY.length)],
    ["the header of another envelope of the session", "A1", swapHeader(make(), other)],
  ];
  return [
    ...refusedRequests(
      cases.map(([name, rules, envelope]) => [`changed: ${name}`, rules, envelope] as const),
    ),
    ...refusedRequests([
      ["the header alone is authenticated, not its length", "A2", make({ aad: (_, header) => header }).bytes],
      ["the length alone is authenticated", "A2", make({ aad: (length) => length }).bytes],
      ["nothing but the body is authenticated", "A2", make({ aad: () => Buffer.alloc(0) }).bytes],
    ]),
  ];
}

/** A valid header with one more member, which fills it up to a length. */
export function extended(text: string, length: number): string {
  return text.replace("}", `,"x":"${"x".repeat(length - text.length - 7)}"}`);
}

/** An envelope without a body under a shorter tag, which is valid for GCM with tags of that length. */
function shortTag(length: number): Buffer {
  const sealed = make({ body: Buffer.alloc(0) });
  const session = deriveSession(deriveSubkeys(IKM, CONTEXT), "request", sessionIdOf("request"));
  const cipher = createCipheriv("aes-256-gcm", session.key, nonceOf(session.prefix, 1), {
    authTagLength: length,
  });
  const aad = sealed.bytes.subarray(0, -16);
  cipher.setAAD(aad);
  cipher.final();
  return Buffer.concat([aad, cipher.getAuthTag()]);
}

function zeroed(bytes: Uint8Array, count: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.fill(0, changed.length - count);
  return changed;
}

function withLength(bytes: Uint8Array, length: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt32BE(length);
  return changed;
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
