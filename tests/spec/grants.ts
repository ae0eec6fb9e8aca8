import assert from "node:assert/strict";
import { type Environment, GrantRequest, isUserNkey, type ListedUser, type RingState } from "@scbe/contracts";
import { readGrant, readRing, verifyNkey } from "@scbe/envelope/grant";
import { judgeGrantRequest } from "@scbe/keyring/judge-grant-request";
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from "hpke";
import { hex, readVectors, type SpecCase, unhex } from "./vectors.ts";

interface Situation {
  readonly now: number;
  readonly env: Environment;
  readonly providers: readonly string[];
  readonly intents: readonly string[];
  readonly users: Readonly<
    Record<string, Omit<ListedUser, "name" | "intents"> & { readonly intents: string[] | null }>
  >;
  readonly subject: { readonly user: string; readonly provider: string };
  readonly questions_left: number;
  readonly ring: {
    readonly generation: number;
    readonly keys: RingState["keys"];
  } | null;
}

interface RequestVector {
  readonly name: string;
  readonly situation: Partial<Situation>;
  readonly message: string;
  /** The kid of the granted key. */
  readonly kid?: string;
  readonly code?: string;
  readonly reason?: string;
}

interface Exchange {
  readonly name: string;
  readonly question: string;
  readonly answer: string;
  readonly k_enc?: string;
  readonly k_nonce?: string;
  readonly meta?: unknown;
  readonly reason?: string;
}

interface RingVector {
  readonly name: string;
  readonly env: Environment;
  readonly message: string;
  readonly ring?: unknown;
  readonly reason?: string;
}

/** The vectors of nkeys, grants and rings, on the keyring's decision and on the readers of replies and rings. */
export function cases(): readonly SpecCase[] {
  return [...nkeyCases(), ...grantCases(), ...ringCases()];
}

function nkeyCases(): readonly SpecCase[] {
  const { nkeys, signatures } = readVectors<{
    nkeys: { name: string; nkey: string; ok: boolean }[];
    signatures: { name: string; nkey: string; message: string; signature: string; ok: boolean }[];
  }>("nkeys");
  return [
    ...nkeys.map(({ name, nkey, ok }) => of("nkeys", name, () => assert.equal(isUserNkey(nkey), ok))),
    ...signatures.map(({ name, nkey, message, signature, ok }) =>
      of("nkeys", name, () => assert.equal(verifyNkey(nkey, unhex(message), unhex(signature)), ok)),
    ),
  ];
}

function grantCases(): readonly SpecCase[] {
  const file = readVectors<{
    keyring: string;
    asker_x25519_private: string;
    situation: Situation;
    questions: RequestVector[];
    refused_questions: RequestVector[];
    grants: Exchange[];
    refused_answers: Exchange[];
  }>("grants");
  return [
    ...[...file.questions, ...file.refused_questions].map((vector) =>
      of("grants", vector.name, () => tryQuestion(vector, { ...file.situation, ...vector.situation })),
    ),
    ...[...file.grants, ...file.refused_answers].map((vector) =>
      of("grants", vector.name, () => tryAnswer(vector, file.keyring, unhex(file.asker_x25519_private))),
    ),
  ];
}

function tryQuestion({ message, kid, code, reason }: RequestVector, situation: Situation): void {
  const { env, providers, intents, subject, ring, now, questions_left } = situation;
  const users = Object.entries(situation.users).map(([name, { intents: own, ...user }]): ListedUser => {
    return { name, ...user, ...(own !== null && { intents: own }) };
  });
  const stored = { wrapped: "AAAA", wrapped_by: "a", since: now };
  const judged = judgeGrantRequest(Buffer.from(message), subject, {
    served: {
      env,
      providers,
      intents,
      users: { byNkey: (nkey) => users.find((user) => user.nkey === nkey) },
    },
    ring:
      ring === null
        ? undefined
        : { v: 1, env, ...ring, keys: ring.keys.map((key) => ({ ...key, ...stored })) },
    nowMs: now,
    decryptOnlyMaxMs: Number.MAX_SAFE_INTEGER - now,
    count: () => questions_left > 0,
  });
  const outcome = judged.ok ? { kid: judged.meta.kid } : { code: judged.code, reason: judged.reason };
  assert.deepEqual(outcome, reason === undefined ? { kid } : { code, reason });
}

async function tryAnswer(vector: Exchange, keyring: string, secret: Uint8Array): Promise<void> {
  const question = GrantRequest.parse(JSON.parse(vector.question));
  const suite = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
  const keys = {
    privateKey: await suite.DeserializePrivateKey(secret),
    publicKey: await suite.DeserializePublicKey(Buffer.from(question.public_key, "base64url")),
  };
  const grant = await readGrant({ answer: Buffer.from(vector.answer), question, keys }, keyring);
  const { reason, k_enc = "", k_nonce = "", meta } = vector;
  if (reason !== undefined) return assert.deepEqual(grant, { ok: false, reason });
  const outcome = grant.ok && { subkeys: hex(grant.material), meta: grant.meta };
  assert.deepEqual(outcome, { subkeys: k_enc + k_nonce, meta });
}

function ringCases(): readonly SpecCase[] {
  const file = readVectors<{ keyring: string; rings: RingVector[]; refused_rings: RingVector[] }>("rings");
  return [...file.rings, ...file.refused_rings].map(({ name, env, message, ring, reason }) =>
    of("rings", name, () => {
      const read = readRing(Buffer.from(message), file.keyring, env);
      assert.deepEqual(
        read.ok ? { ring: read.ring } : { reason: read.reason },
        reason === undefined ? { ring } : { reason },
      );
    }),
  );
}

function of(file: string, name: string, run: SpecCase["run"]): SpecCase {
  return { file, name, run };
}
