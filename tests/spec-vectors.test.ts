import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeAdmitBatch } from "@scbe/contracts";
import { REFUSALS, type Refusal } from "@scbe/envelope";
import { describe, expect, test } from "vitest";
import {
  hex,
  type Outcome,
  openerIn,
  type RequestVector,
  type ResponseVector,
  ROOT,
  readVectors,
  unhex,
} from "./kit/spec-vectors.ts";

function vectors<T>(...names: readonly string[]): T[] {
  return names.flatMap((name) => readVectors<{ vectors: T[] }>(name).vectors);
}

const requests = vectors<RequestVector>("requests", "requests-refused");
const responses = vectors<ResponseVector>("responses", "responses-refused");

function openRequest({ opener }: ReturnType<typeof openerIn>, vector: RequestVector, bytes: Uint8Array) {
  return opener.openRequest(bytes, { provider: vector.subject_provider, arrivedAt: 0 });
}

function openResponse({ opener }: ReturnType<typeof openerIn>, { waiting, envelope }: ResponseVector) {
  return opener.openResponse(unhex(envelope), { ...waiting, hash: unhex(waiting.hash) });
}

/** What a vector says must come of it, as far as reasons go. */
function reasonsOf(vector: Outcome): readonly Refusal[] {
  return vector.opens ? [] : [vector.reason];
}

describe("a request", () => {
  test.each(requests.filter(({ opens }) => opens))("opens: $name", async (vector) => {
    const harness = openerIn(vector);
    const opened = await openRequest(harness, vector, unhex(vector.envelope));
    expect(harness.seen.reasons).toEqual([]);
    if (!opened.ok || !vector.opens) throw new Error("it was refused");
    expect(opened.header).toEqual(JSON.parse(vector.header));
    expect([hex(opened.body), hex(opened.hash)]).toEqual([vector.body, vector.hash]);
    const [item] = harness.seen.admits;
    if (item === undefined) throw new Error("the guard was not asked");
    expect(hex(encodeAdmitBatch([item])).slice(0, 184)).toBe(vector.admit);
  });

  test.each(requests.filter(({ opens }) => !opens))("is refused: $name", async (vector) => {
    const harness = openerIn(vector);
    const opened = await openRequest(harness, vector, unhex(vector.envelope));
    expect(opened).toEqual({ ok: false, noise: expect.any(Uint8Array) });
    expect(harness.seen.reasons).toEqual(reasonsOf(vector));
    expect(harness.seen.admits).toHaveLength(!vector.opens && vector.step > 7 ? 1 : 0);
  });

  test("with any one bit of it flipped is refused, and the guard is not asked", async () => {
    const vector = requests.find(({ name }) => name === "a JSON body");
    if (vector === undefined) throw new Error("the vector is missing");
    const harness = openerIn(vector);
    const bytes = unhex(vector.envelope);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect((await openRequest(harness, vector, changed)).ok, `bit ${bit}`).toBe(false);
    }
    expect(harness.seen.admits).toEqual([]);
  });
});

describe("a response", () => {
  test.each(responses.filter(({ opens }) => opens))("opens: $name", (vector) => {
    const harness = openerIn(vector);
    const opened = openResponse(harness, vector);
    expect(harness.seen.reasons).toEqual([]);
    if (!opened.ok || !vector.opens) throw new Error("it was refused");
    expect(opened.header).toEqual(JSON.parse(vector.header));
    expect(hex(opened.body)).toBe(vector.body);
  });

  test.each(responses.filter(({ opens }) => !opens))("is refused: $name", (vector) => {
    const harness = openerIn(vector);
    expect(openResponse(harness, vector).ok).toBe(false);
    expect(harness.seen.reasons).toEqual(reasonsOf(vector));
  });
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
    const [vector] = requests;
    const [key] = vector?.keys ?? [];
    if (!vector?.opens || key === undefined) throw new Error("the vector is missing");
    const { envelope, hash } = vector;
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

test("an opener that knows the session decides on every request as one that does not", async () => {
  const [first, ...others] = requests;
  if (first === undefined) throw new Error("the vector is missing");
  const alike = others.filter(({ keys, serves }) => same(keys, first.keys) && same(serves, first.serves));
  expect(alike.length).toBeGreaterThan(100);
  for (const vector of alike) {
    const situation = {
      ...vector,
      now: first.now,
      withdrawn_before_release: false,
      permitted: "always" as const,
    };
    const harness = openerIn(situation);
    await openRequest(harness, first, unhex(first.envelope));
    Object.assign(situation, vector);
    harness.seen.reasons.length = 0;
    const opened = await openRequest(harness, vector, unhex(vector.envelope));
    expect(opened.ok, vector.name).toBe(vector.opens);
    expect(harness.seen.reasons, vector.name).toEqual(reasonsOf(vector));
  }
});

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
