import { readFileSync } from "node:fs";
import { join } from "node:path";
import { REFUSALS } from "@scbe/envelope";
import { describe, expect, test } from "vitest";
import { openerIn, openRequest, requestVectors, responseVectors } from "./envelopes.ts";
import { ROOT, unhex } from "./vectors.ts";

const requests = requestVectors();
const responses = responseVectors();
const [first] = requests;
if (!first?.opens) throw new Error("the first vector is missing");

test("a request with any one bit of it flipped is refused, and the guard is not asked", async () => {
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

describe("the specification", () => {
  const text = readFileSync(join(ROOT, "docs/spec/envelope-v1.md"), "utf8");

  test("names every reason at its step", () => {
    const rows = text.split("\n").filter((line) => /^\| \d+ \|/.test(line));
    const steps = rows.slice(rows.findIndex((row) => row.startsWith("| 1 |")));
    const named = steps.flatMap((row) => {
      const [, step, reasons = ""] = row.split("|");
      return [...reasons.matchAll(/`([a-z_]+)`/g)].map(([, reason]) => [reason, Number(step)]);
    });
    expect(Object.fromEntries(named)).toEqual(REFUSALS);
  });

  test("lays out the first vector as its example", () => {
    const [key] = first.keys;
    if (key === undefined) throw new Error("the vector has no key");
    const { envelope, hash } = first;
    const unbroken = text.replace(/\s/g, "");
    for (const part of [...split(envelope), key.k_enc, key.k_nonce, hash]) expect(unbroken).toContain(part);
    expect(unbroken).toContain(`"in_reply_to":"${unhex(hash).toString("base64url")}"`);
    expect(unbroken).toContain(`these${envelope.length / 2}bytes`);
  });

  /** Length, header, ciphertext and tag, as they stand in the example. */
  function split(envelope: string): string[] {
    const bodyAt = 8 + 2 * Number.parseInt(envelope.slice(0, 8), 16);
    const header = unhex(envelope.slice(8, bodyAt)).toString("latin1");
    return [envelope.slice(0, 8), header, envelope.slice(bodyAt, -32), envelope.slice(-32)];
  }
});
