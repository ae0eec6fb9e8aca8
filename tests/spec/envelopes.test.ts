import { readFileSync } from "node:fs";
import { join } from "node:path";
import { jcs } from "@scbe/contracts";
import { ENVELOPE_HEADER_BYTES_MAX, parseHeader, REFUSALS } from "@scbe/envelope";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openerIn, openRequest, requestVectors, responseVectors } from "./envelopes.ts";
import { ROOT, unhex } from "./vectors.ts";

const requests = requestVectors();
const responses = responseVectors();
const [first] = requests;
if (!first?.opens) throw new Error("the first vector is missing");

test("a request with any one bit flipped is refused without an admit", async () => {
  const harness = openerIn(first);
  const bytes = unhex(first.envelope);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect((await openRequest(harness, first, changed)).ok, `bit ${bit}`).toBe(false);
  }
  expect(harness.seen.admits).toEqual([]);
});

test("every reason has a vector that names its step", () => {
  const named = [...requests, ...responses].flatMap((vector) => (vector.opens ? [] : [vector]));
  expect(Object.fromEntries(named.map(({ reason, step }) => [reason, step]))).toEqual(REFUSALS);
  for (const { name, reason, step } of named) expect(step, name).toBe(REFUSALS[reason]);
});

/** The patterns on the page: those of a request, a response and a chunk. */
const PAGE = readFileSync(join(ROOT, "docs/spec/envelope-v1.md"), "utf8");
const PATTERNS = [...PAGE.matchAll(/^```regex\n(.*)\n```$/gm)].map(
  ([, source]) => new RegExp(`^(?:${source})$`),
);

/** A reader that uses the page's patterns and the two comparisons beside them. */
function fits(text: string): boolean {
  if (!PATTERNS.some((pattern) => pattern.test(text))) return false;
  const { ttl, seq = 0 } = JSON.parse(text) as { ttl: number; seq?: number };
  return ttl <= 3600 && seq <= 2147483647;
}

const headers = [...requestVectors(), ...responseVectors()].flatMap(({ name, envelope }) => {
  const bytes = unhex(envelope);
  if (bytes.length < 20 || bytes.readUInt32BE(0) > ENVELOPE_HEADER_BYTES_MAX) return [];
  return [{ name, text: bytes.toString("latin1", 4, 4 + bytes.readUInt32BE(0)) }];
});

test("the page has one pattern for each kind of header", () => {
  expect(PATTERNS).toHaveLength(3);
  const accepted = headers.filter(({ text }) => fits(text));
  for (const pattern of PATTERNS) expect(accepted.some(({ text }) => pattern.test(text))).toBe(true);
});

test("the patterns accept the headers of the vectors that the product's reader accepts", () => {
  expect(headers.length).toBeGreaterThan(500);
  for (const { name, text } of headers) expect(fits(text), name).toBe(parseHeader(text).ok);
});

describe("the patterns and the product's reader agree on", () => {
  const legal = headers.filter(({ text }) => parseHeader(text).ok).map(({ text }) => text);
  const member = fc.constantFrom(...Object.keys(JSON.parse(legal[0] ?? "{}")));
  const members = fc.oneof(member, fc.constantFrom("seq", "final", "in_reply_to", "epoch", "x", ""));
  const alphabet = fc.constantFrom(...'-_.aAzZ09g:/@+ \n="\\~\x7f');
  const integer = fc.oneof(
    fc.constantFrom(0, 1, -1, 9, 3600, 3601, 9999, 10 ** 4, 10 ** 12, 10 ** 12 - 1, 10 ** 13 - 1, 10 ** 13),
    fc.constantFrom(2 ** 31 - 1, 2 ** 31, 9999999999, 10 ** 10, 0.5, 2 ** 53),
  );
  const value = fc.oneof(
    fc.string({ unit: alphabet, maxLength: 5 }),
    fc.constantFrom(
      "none",
      "dev",
      "prod",
      "request",
      "response",
      "A".repeat(43),
      "A".repeat(22),
      "a".repeat(65),
    ),
    fc.constantFrom("a".repeat(64), "-".repeat(128), "-".repeat(129), null, true, {}, []),
    integer,
  );

  test("headers with one member changed, added or removed", () => {
    const seen = { accepted: 0 };
    fc.assert(
      fc.property(fc.constantFrom(...legal), members, fc.option(value), (text, name, put) => {
        const header = JSON.parse(text) as Record<string, unknown>;
        if (put === null) delete header[name];
        else header[name] = put;
        const changed = jcs(header);
        seen.accepted += fits(changed) ? 1 : 0;
        expect(fits(changed), changed).toBe(parseHeader(changed).ok);
      }),
      { numRuns: 3000 },
    );
    expect(seen.accepted).toBeGreaterThan(30);
  });

  test("headers with one character changed, added or removed", () => {
    const change = fc.record({
      at: fc.nat(700),
      cut: fc.nat(1),
      put: fc.string({ unit: alphabet, maxLength: 1 }),
    });
    fc.assert(
      fc.property(fc.constantFrom(...legal), change, (text, { at, cut, put }) => {
        const changed = text.slice(0, at) + put + text.slice(at + cut);
        expect(fits(changed), changed).toBe(parseHeader(changed).ok);
      }),
      { numRuns: 3000 },
    );
  });
});
