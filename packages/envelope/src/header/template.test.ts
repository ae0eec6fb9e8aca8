import { jcs } from "@scbe/contracts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { members, session, text } from "../../test/craft.ts";
import { ENVELOPE_HEADER_BYTES_MAX } from "../wire.ts";
import { FORMS, MEMBERS, type Member } from "./forms.ts";
import type { Header } from "./header.ts";
import { parseHeader } from "./parse.ts";
import { HeaderTemplate, type SlotValues } from "./template.ts";

const SLOTS = ["final", "in_reply_to", "nonce", "replay_nonce", "request_id", "seq", "ts"] as const;
const KINDS = ["request", "response", "chunk"] as const;

const chars = (alphabet: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength, maxLength });
const bytes = (length: number) =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((value) => Buffer.from(value).toString("base64url"));

const LOWER = "abcdefghijklmnopqrstuvwxyz0123456789";
const HEX = "0123456789abcdef";
const PRINTABLE = Array.from({ length: 0x5f }, (_, index) => String.fromCharCode(0x20 + index)).join("");
const name = fc.tuple(chars(LOWER, 1, 1), chars(`${LOWER}_-`, 0, 63)).map(([first, rest]) => first + rest);
const uuid = fc
  .tuple(...[8, 4, 4, 4, 12].map((length) => chars(HEX, length, length)))
  .map((parts) => parts.join("-"));

/** Every legal value of every member. */
const VALUES: Readonly<Record<Member, fc.Arbitrary<string | number>>> = {
  commitment: bytes(32),
  // Names of members as values would mislead a careless template.
  content_type: fc.oneof(
    chars(PRINTABLE.replace(/["\\]/g, ""), 1, 128),
    fc.constantFrom("nonce:", "ts", ",ts:1", "replay_nonce", "{seq:0,final:1}"),
  ),
  env: fc.constantFrom("dev", "staging", "prod"),
  epoch: bytes(16),
  final: fc.constantFrom(0, 1),
  in_reply_to: bytes(32),
  intent: fc.oneof(name, fc.constantFrom("nonce", "ts", "seq", "final")),
  kid: name,
  model: chars(`${LOWER}ABCDEFGHIJKLMNOPQRSTUVWXYZ._:/@+-`, 1, 128),
  nonce: bytes(12),
  phase: fc.constant("request"),
  provider: fc.oneof(name, fc.constantFrom("nonce", "ts", "seq", "final")),
  replay_nonce: bytes(24),
  request_id: uuid,
  schema_hash: fc.oneof(
    fc.constant("none"),
    chars(HEX, 64, 64).map((digits) => `sha256:${digits}`),
  ),
  seq: fc.oneof(fc.constantFrom(0, 2 ** 31 - 1), fc.nat(2 ** 31 - 1)),
  session_id: bytes(32),
  suite: fc.constant("A256GCM-HKDF-SHA256-COMMIT32"),
  ts: fc.oneof(fc.constantFrom(10 ** 12, 10 ** 13 - 1), fc.integer({ min: 10 ** 12, max: 10 ** 13 - 1 })),
  ttl: fc.integer({ min: 1, max: 3600 }),
  v: fc.constant(1),
};

function headerOf(kind: (typeof KINDS)[number]): fc.Arbitrary<Header> {
  const values = Object.fromEntries(MEMBERS[kind].map((member) => [member, VALUES[member]]));
  const phase = fc.constant(kind === "request" ? "request" : "response");
  return fc.record({ ...values, phase }) as unknown as fc.Arbitrary<Header>;
}

/** A legal header, and other legal values for its slots. */
const headerAndSlots = fc
  .constantFrom(...KINDS)
  .chain((kind) => fc.tuple(headerOf(kind), headerOf(kind).map(slotsOf)));

function slotsOf(header: Header): SlotValues {
  return Object.fromEntries(Object.entries(header).filter(([member]) => SLOTS.includes(member as "ts")));
}

const isChunk = (header: Header): boolean => Object.hasOwn(header, "seq");

test("a template renders the canonical text of every legal header", () => {
  fc.assert(
    fc.property(headerAndSlots, ([header, slots]) => {
      const written = new HeaderTemplate(header).render(slots);
      expect(written).toBe(jcs({ ...header, ...slots }));
      expect(parseHeader(written)).toEqual({ ok: true, header: { ...header, ...slots } });
    }),
    { numRuns: 1000 },
  );
});

test("a template matches every legal header as parsing does, except chunks of streams", () => {
  fc.assert(
    fc.property(headerAndSlots, ([header, slots]) => {
      const learned = new HeaderTemplate(header);
      const found = learned.match(jcs({ ...header, ...slots }));
      expect(found).toEqual(isChunk(header) ? undefined : { ...header, ...slots });
    }),
    { numRuns: 1000 },
  );
});

type Mutation = (legal: string, other: string) => string;

/** A change at one random place of the whole text. */
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(7)).map(
    ([at, bit]): Mutation =>
      (legal) => {
        const index = Math.floor(at * (legal.length - 1));
        return replaced(legal, index, 1, String.fromCharCode(legal.charCodeAt(index) ^ (1 << bit)));
      },
  ),
  fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(3), chars(`${PRINTABLE}\n\u00e9`, 0, 3)).map(
    ([at, cut, put]): Mutation =>
      (legal) =>
        replaced(legal, Math.floor(at * legal.length), cut, put),
  ),
  // A member's value by one of another alphabet, possibly of equal length.
  fc.tuple(fc.constantFrom(...SLOTS), chars(`${LOWER}ABCXYZ_-+/=.`, 1, 43)).map(
    ([slot, value]): Mutation =>
      (legal) =>
        legal.replace(new RegExp(`("${slot}":"?)([^",}]*)`), (_, start: string, old: string) => {
          return start + value.padEnd(old.length, "A").slice(0, old.length);
        }),
  ),
  // The front of one legal header and the back of another.
  fc.double({ min: 0, max: 1, noNaN: true }).map(
    (at): Mutation =>
      (legal, other) => {
        const index = Math.floor(at * legal.length);
        return legal.slice(0, index) + other.slice(index);
      },
  ),
  fc.constant<Mutation>((legal) => `${legal}${legal}`),
  fc.constant<Mutation>((legal) => legal.replace(/"ts":(\d+)/, '"ts":$1.0')),
  fc.constant<Mutation>((legal) => legal.replace(/"ts":\d/, '"ts":0')),
  fc.constant<Mutation>((legal) => legal.replace(/"nonce":"[^"]*"/, "$&,$&")),
);

function replaced(whole: string, index: number, cut: number, put: string): string {
  return whole.slice(0, index) + put + whole.slice(index + cut);
}

test("a template matches no text that parsing refuses, and reads no other header from it", () => {
  let taken = 0;
  let refused = 0;
  fc.assert(
    fc.property(
      headerAndSlots,
      fc.array(mutation, { minLength: 1, maxLength: 2 }),
      ([header, slots], mutations) => {
        const learned = new HeaderTemplate(header);
        let mutated = jcs({ ...header, ...slots });
        for (const mutate of mutations) mutated = mutate(mutated, jcs(header));
        const found = learned.match(mutated);
        if (found === undefined) refused += 1;
        else {
          taken += 1;
          expect(parseHeader(mutated)).toEqual({ ok: true, header: found });
        }
      },
    ),
    { numRuns: 4000 },
  );
  // Both outcomes occurred, so that the test covers both.
  expect(taken).toBeGreaterThan(50);
  expect(refused).toBeGreaterThan(500);
});

test("a template matches every parseable text that differs only in slots", () => {
  fc.assert(
    fc.property(headerAndSlots, mutation, ([header, slots], mutate) => {
      fc.pre(!isChunk(header));
      const mutated = mutate(jcs({ ...header, ...slots }), jcs(header));
      const parsed = parseHeader(mutated);
      fc.pre(parsed.ok && jcs({ ...parsed.header, ...slotsOf(header) }) === jcs(header));
      expect(new HeaderTemplate(header).match(mutated)).toEqual(parsed.ok && parsed.header);
    }),
    { numRuns: 300 },
  );
});

describe("a template refuses what parsing refuses, in a slot:", () => {
  const legal = members(session("request"));
  const template = new HeaderTemplate(legal as unknown as Header);
  test.each([
    ["ts", "0767225612345"],
    ["ts", "17672256123.5"],
    ["ts", "1767225612e12"],
    ["ts", "-176722561234"],
    ["ts", " 176722561234"],
    ["nonce", '"AAAAAAAAAAAAAAA+"'],
    ["nonce", '"AAAAAAAAAAAAAA=="'],
    ["replay_nonce", `"${"A".repeat(31)}\u00e9"`],
    ["replay_nonce", `"${"A".repeat(30)}\\n"`],
    ["request_id", '"0F8FAD5B-D9CB-469F-A165-70867728950E"'],
  ])("%s %s", (slot, value) => {
    const start = text({ ...legal, [slot]: "?" });
    const altered = start.replace('"?"', () => value);
    expect(altered).not.toBe(start);
    expect(parseHeader(altered).ok).toBe(false);
    expect(template.match(altered)).toBeUndefined();
  });

  test("and accepts the legal one", () => {
    expect(template.match(text(legal))).toEqual(legal);
  });
});

test("the longest legal header is far shorter than the limit", () => {
  const legal = members(session("response"), { seq: 2 ** 31 - 1, final: 1 });
  const longest = { kid: 64, provider: 64, intent: 64, model: 128, content_type: 128 };
  const filled = Object.entries(longest).map(([member, length]) => [member, "a".repeat(length)]);
  const written = text({
    ...legal,
    ...Object.fromEntries(filled),
    schema_hash: `sha256:${"0".repeat(64)}`,
    ttl: 3600,
  });
  expect(parseHeader(written)).toMatchObject({ ok: true });
  expect(written.length).toBeLessThan(ENVELOPE_HEADER_BYTES_MAX / 2);
});

test("the forms accept exactly the base64url texts that decoding and encoding keep", () => {
  const lengths = { nonce: 12, epoch: 16, replay_nonce: 24, session_id: 32, commitment: 32, in_reply_to: 32 };
  fc.assert(
    fc.property(
      fc.constantFrom(...(Object.keys(lengths) as (keyof typeof lengths)[])),
      chars("ABCQRXYZgw048_-+/=", 14, 45),
      fc.nat(3),
      (member, letters, off) => {
        const value = letters.slice(0, Math.ceil((lengths[member] * 4) / 3) + (off === 3 ? 1 : 0));
        const decoded = Buffer.from(value, "base64url");
        const exact = decoded.length === lengths[member] && decoded.toString("base64url") === value;
        expect(FORMS[member](value)).toBe(exact);
      },
    ),
    { numRuns: 2000 },
  );
});
