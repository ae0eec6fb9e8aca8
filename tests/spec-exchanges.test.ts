import { createSecretKey } from "node:crypto";
import {
  type AdmitItem,
  type AdmitVerdict,
  decodeAdmitBatch,
  decodeVerdicts,
  type Environment,
  encodeAdmitBatch,
  type GrantAnswer,
  type GrantQuestion,
  type SignedRing,
} from "@scbe/contracts";
import {
  deriveGrantMaterial,
  deriveSubkey,
  fromJsonForm,
  type JsonEnvelope,
  type KeyContext,
  toJsonForm,
} from "@scbe/envelope";
import { readGrant, readRing, verifyQuestion } from "@scbe/envelope/grant";
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from "hpke";
import { describe, expect, test } from "vitest";
import { hex, readVectors, unhex } from "./kit/spec-vectors.ts";

describe("subkeys", () => {
  type Derivation = KeyContext & { ikm: string; k_enc: string; k_nonce: string; k_log: string };
  test.each(readVectors<{ subkeys: Derivation[] }>("derivations").subkeys)(
    "of $env $provider $intent",
    (vector) => {
      const ikm = createSecretKey(unhex(vector.ikm));
      for (const name of ["k_enc", "k_nonce", "k_log"] as const) {
        expect(hex(deriveSubkey(name, ikm, vector)), name).toBe(vector[name]);
      }
      expect(hex(deriveGrantMaterial(ikm, vector))).toBe(vector.k_enc + vector.k_nonce);
    },
  );
});

describe("the JSON form", () => {
  const { forms, refused } = readVectors<{
    forms: { name: string; envelope: string; json: JsonEnvelope }[];
    refused: { name: string; json: unknown }[];
  }>("json-form");

  test.each(forms)("of $name is one with its bytes", ({ envelope, json }) => {
    expect(toJsonForm(unhex(envelope))).toEqual(json);
    expect(hex(fromJsonForm(json))).toBe(envelope);
  });

  test.each(refused)("is refused: $name", ({ json }) => {
    expect(() => fromJsonForm(json)).toThrow("no envelope");
  });
});

describe("admission", () => {
  type Hexed = { [K in keyof AdmitItem]: string } & { session_id: string; replay_nonce: string };
  const { batches, answers, refused_lengths } = readVectors<{
    batches: { name: string; items: Hexed[]; data: string }[];
    answers: { name: string; count: number; data: string; verdicts: AdmitVerdict[] }[];
    refused_lengths: number[];
  }>("admission");

  test.each(batches)("$name: the bytes of the question", ({ items, data }) => {
    const known = items.map(({ epoch, session_id, counter, replay_nonce, tag, attempt }) => ({
      epoch: unhex(epoch),
      sessionId: unhex(session_id),
      counter: Number(counter),
      replayNonce: unhex(replay_nonce),
      tag: unhex(tag),
      attempt: unhex(attempt),
    }));
    expect(hex(encodeAdmitBatch(known))).toBe(data);
    expect(decodeAdmitBatch(unhex(data))).toEqual(known);
  });

  test.each(answers)("$name", ({ data, count, verdicts }) => {
    expect(decodeVerdicts(unhex(data), count)).toEqual(verdicts);
  });

  test.each(refused_lengths)("a question of %i bytes is refused", (length) => {
    expect(() => decodeAdmitBatch(new Uint8Array(length))).toThrow("an admit batch holds");
  });
});

describe("a grant", () => {
  interface Exchange {
    readonly name: string;
    readonly question: GrantQuestion;
    readonly answer: GrantAnswer;
    readonly reason: string;
  }
  const { grants, refused_questions, refused_answers, rings, ...parties } = readVectors<{
    asker_x25519_private: string;
    keyring: string;
    grants: (Exchange & { q: string; k_enc: string; k_nonce: string })[];
    refused_questions: Exchange[];
    refused_answers: Exchange[];
    rings: { name: string; env: Environment; ring: SignedRing; ok: boolean; reason?: string }[];
  }>("grants");

  async function readAnswer({ question, answer }: Exchange) {
    const suite = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
    const keys = {
      privateKey: await suite.DeserializePrivateKey(unhex(parties.asker_x25519_private)),
      publicKey: await suite.DeserializePublicKey(Buffer.from(question.public_key, "base64url")),
    };
    return readGrant({ answer, question, keys }, parties.keyring);
  }

  test.each(grants)("is asked for, answered and read: $name", async (exchange) => {
    const verdict = verifyQuestion(exchange.question);
    expect(verdict.ok && hex(verdict.verified.bytes)).toBe(exchange.q);
    const grant = await readAnswer(exchange);
    if (!grant.ok) throw new Error(grant.reason);
    expect(hex(grant.material)).toBe(exchange.k_enc + exchange.k_nonce);
    expect(grant.meta).toEqual(exchange.answer.meta);
  });

  test.each(refused_questions)("whose question is refused: $name", ({ question, reason }) => {
    expect(verifyQuestion(question)).toEqual({ ok: false, reason });
  });

  test.each(refused_answers)("whose answer is refused: $name", async (exchange) => {
    expect(await readAnswer(exchange)).toEqual({ ok: false, reason: exchange.reason });
  });

  test.each(rings)("a ring: $name", ({ ring, env, ok, reason }) => {
    const outcome = readRing(ring, parties.keyring, env);
    expect(outcome).toEqual(ok ? { ok, ring: JSON.parse(ring.payload) } : { ok, reason });
  });
});
