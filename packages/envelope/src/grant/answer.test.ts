import { type GrantAnswer, type GrantMeta, GrantRequest, writeMessage } from "@scbe/contracts";
import fc from "fast-check";
import { createUser } from "nkeys.js";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type AskedGrant,
  answerGrant,
  askGrant,
  type Identity,
  readGrant,
  verifyGrantRequest,
} from "./index.ts";

const WANTED = { env: "dev", provider: "openai", intent: "chat", kid: "k1" } as const;
const META: GrantMeta = { kid: "k1", state: "active", not_after: null, ring_generation: 7 };

function identity(): Identity {
  const pair = createUser();
  return { publicKey: pair.getPublicKey(), sign: (bytes) => pair.sign(bytes) };
}

const asker = identity();
const keyring = identity();
const stranger = identity();

function material(): Buffer {
  return Buffer.from(Array.from({ length: 64 }, (_, index) => index + 1));
}

async function grant(wanted: Parameters<typeof askGrant>[0] = WANTED, meta = META, by = keyring) {
  const { question, keys } = await askGrant(wanted, asker);
  const verified = verifyGrantRequest(question);
  if (verified === undefined) throw new Error("the question did not verify");
  const answer = await answerGrant(verified, { material: material(), meta }, by);
  return { question, keys, answer };
}

/** Reads the answer as from the bus. */
function read({ answer, ...asked }: AskedGrant & { readonly answer: GrantAnswer }) {
  return readGrant({ ...asked, answer: writeMessage(answer) }, keyring.publicKey);
}

/** The text with one bit of its bytes flipped. */
function flip(text: string, bit: number): string {
  const bytes = Buffer.from(text, "base64url");
  const index = (bit >> 3) % bytes.length;
  bytes[index] = (bytes[index] ?? 0) ^ (1 << (bit & 7));
  return bytes.toString("base64url");
}

describe("a grant request", () => {
  test("verifies unchanged, and has the documented bytes", async () => {
    const { question } = await askGrant(WANTED, asker);
    const verified = verifyGrantRequest(GrantRequest.parse(JSON.parse(JSON.stringify(question))));
    const publicKey = Buffer.from(question.public_key, "base64url");
    const parts = ["scbe/v1/grant-q", "dev", "openai", "chat", "k1", asker.publicKey].map((part) => {
      return Buffer.concat([Buffer.from([0, part.length]), Buffer.from(part)]);
    });
    const expected = Buffer.concat([...parts, Buffer.from([0, 32]), publicKey]);
    expect(verified).toMatchObject({ bytes: expected, publicKey });
  });

  test("has a fresh key each time", async () => {
    const [first, second] = await Promise.all([askGrant(WANTED, asker), askGrant(WANTED, asker)]);
    expect(first.question.public_key).not.toBe(second.question.public_key);
  });

  test.each([
    ["env", { env: "prod" }],
    ["provider", { provider: "anthropic" }],
    ["intent", { intent: "other" }],
    ["kid", { kid: "" }],
    ["asker", { asker: stranger.publicKey }],
  ] as const)("with another %s than the signed one is refused", async (_, change) => {
    const { question } = await askGrant(WANTED, asker);
    expect(verifyGrantRequest({ ...question, ...change })).toBeUndefined();
  });

  test("with any bit of its key or signature flipped is refused", async () => {
    const { question } = await askGrant(WANTED, asker);
    for (let bit = 0; bit < 256; bit += 1) {
      expect(verifyGrantRequest({ ...question, public_key: flip(question.public_key, bit) })).toBeUndefined();
    }
    for (let bit = 0; bit < 512; bit += 1) {
      expect(verifyGrantRequest({ ...question, signature: flip(question.signature, bit) })).toBeUndefined();
    }
  });
});

describe("a grant answer", () => {
  let one: Awaited<ReturnType<typeof grant>>;
  beforeAll(async () => {
    one = await grant();
  });

  test("gives the requester the material and its key's state", async () => {
    expect(await read(one)).toEqual({ ok: true, material: new Uint8Array(material()), meta: META });
  });

  test("leaves no material in the keyring's buffer, whether it succeeds or throws", async () => {
    const { question } = await askGrant(WANTED, asker);
    const verified = verifyGrantRequest(question);
    if (verified === undefined) throw new Error("the question did not verify");
    const used = material();
    await answerGrant(verified, { material: used, meta: META }, keyring);
    expect(used.every((byte) => byte === 0)).toBe(true);
    const refused = material();
    const lowOrder = { ...verified, publicKey: new Uint8Array(32) };
    await expect(answerGrant(lowOrder, { material: refused, meta: META }, keyring)).rejects.toMatchObject({
      code: "BAD_REQUEST",
    });
    expect(refused.every((byte) => byte === 0)).toBe(true);
  });

  test("to another request is refused, even to one for the same key", async () => {
    const other = await grant();
    const replayed = { ...one, answer: other.answer };
    expect(await read(replayed)).toEqual({ ok: false, reason: "signature" });
  });

  test("that another nkey signed is refused", async () => {
    const forged = await grant(WANTED, META, stranger);
    expect(await read(forged)).toEqual({ ok: false, reason: "signature" });
  });

  test("that another party sealed to our key, with the keyring's metadata, is refused", async () => {
    const forged = await grant(WANTED, META, stranger);
    const mixed = { ...forged, answer: { ...forged.answer, signature: one.answer.signature } };
    expect(await read(mixed)).toEqual({ ok: false, reason: "signature" });
  });

  test("with a changed member about the key is refused", async () => {
    const changes: Partial<GrantMeta>[] = [
      { state: "decrypt-only" },
      { not_after: 1 },
      { ring_generation: 8 },
      { kid: "k2" },
    ];
    for (const change of changes) {
      const answer = { ...one.answer, meta: { ...META, ...change } };
      expect(await read({ ...one, answer })).toEqual({
        ok: false,
        reason: "signature",
      });
    }
  });

  test("with any bit flipped is refused", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("enc", "ct", "signature" as const),
        fc.nat(80 * 8 - 1),
        async (member, bit) => {
          const answer = { ...one.answer, [member]: flip(one.answer[member], bit) };
          expect((await read({ ...one, answer })).ok).toBe(false);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("for another key than requested is refused though the keyring signed it", async () => {
    const other = await grant(WANTED, { ...META, kid: "k2" });
    expect(await read(other)).toEqual({ ok: false, reason: "kid" });
    const notActive = await grant({ ...WANTED, kid: "" }, { ...META, state: "decrypt-only" });
    expect(await read(notActive)).toEqual({ ok: false, reason: "kid" });
    const retired = await grant(WANTED, { ...META, state: "retired" });
    expect(await read(retired)).toEqual({ ok: false, reason: "kid" });
  });

  test("to a request without a kid brings the active one", async () => {
    const active = await grant({ ...WANTED, kid: "" });
    expect(await read(active)).toMatchObject({ ok: true, meta: { kid: "k1" } });
  });

  test("is unreadable with another key pair", async () => {
    const { keys } = await askGrant(WANTED, asker);
    expect(await read({ ...one, keys })).toEqual({ ok: false, reason: "sealed" });
  });

  test("of another length is malformed", async () => {
    for (const member of ["enc", "ct", "signature"] as const) {
      const answer = { ...one.answer, [member]: one.answer[member].slice(0, -4) };
      expect(await read({ ...one, answer })).toEqual({
        ok: false,
        reason: "malformed",
      });
    }
  });

  test("shows no byte of the material on the bus", () => {
    const wire = JSON.stringify(one.answer);
    expect(wire).not.toContain(material().toString("base64url").slice(0, 24));
  });
});
