import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { clientConfig } from "@scbe/client";
import {
  type AdmitItem,
  type AdmitVerdict,
  decodeAdmitBatch,
  decodeVerdicts,
  type Environment,
  encodeAdmitBatch,
  encodeVerdicts,
  isScbeError,
} from "@scbe/contracts";
import {
  deriveGrantMaterial,
  deriveSubkey,
  fromJsonForm,
  importSubkeys,
  type KeyContext,
  OpeningTokens,
  type Phase,
  parseHeader,
  type TokenVerdict,
  toJsonForm,
} from "@scbe/envelope";
import { deriveCommitment, deriveSessionKeys, Noise } from "@scbe/envelope/primitives";
import { sortBatch } from "@scbe/replay-guard/domain/judge";
import { ReplayTable } from "@scbe/replay-guard/domain/replay-table";
import { readConfig } from "@scbe/runtime";
import { heldKey, type VectorKey } from "./envelopes.ts";
import { hex, readVectors, type SpecCase, unhex } from "./vectors.ts";

interface Named {
  readonly name: string;
}

/** The vectors of key derivation, the JSON form, admission, noise and opening tokens. */
export function cases(): SpecCase[] {
  return [...derivations(), ...headers(), ...jsonForms(), ...admissions(), ...noises(), ...openingTokens()];
}

function of<T extends Named>(
  file: string,
  vectors: readonly T[],
  run: (vector: T) => void | Promise<void>,
): SpecCase[] {
  return vectors.map((vector) => ({ file, name: vector.name, run: () => run(vector) }));
}

function headers(): SpecCase[] {
  type Header = Named & { header: string; ok: boolean; reason?: string };
  const vectors = readVectors<{ headers: Header[] }>("headers").headers;
  return of("headers", vectors, ({ header, ok, reason }) => {
    const read = parseHeader(header);
    assert.deepEqual(read.ok ? { ok: true } : read, ok ? { ok } : { ok, reason });
  });
}

function derivations(): SpecCase[] {
  type Subkeys = Named & KeyContext & Record<"ikm" | "k_enc" | "k_nonce" | "k_log", string>;
  type Session = Named &
    KeyContext & { phase: Phase } & Record<
      "k_enc" | "k_nonce" | "session_id" | "s_key" | "commitment" | "prefix",
      string
    >;
  const { subkeys, sessions } = readVectors<{ subkeys: Subkeys[]; sessions: Session[] }>("derivations");
  return [
    ...of("derivations", subkeys, (vector) => {
      const ikm = createSecretKey(unhex(vector.ikm));
      for (const name of ["k_enc", "k_nonce", "k_log"] as const) {
        assert.equal(hex(deriveSubkey(name, ikm, vector)), vector[name], name);
      }
      assert.equal(hex(deriveGrantMaterial(ikm, vector)), vector.k_enc + vector.k_nonce);
    }),
    ...of("derivations", sessions, (vector) => {
      const held = importSubkeys({ ...vector, kid: "k" }, unhex(vector.k_enc + vector.k_nonce));
      const sessionId = unhex(vector.session_id);
      const { key, prefix } = deriveSessionKeys(held, vector.phase, sessionId);
      assert.equal(hex(key.export()), vector.s_key);
      assert.equal(hex(prefix), vector.prefix);
      assert.equal(hex(deriveCommitment(held, vector.phase, sessionId)), vector.commitment);
    }),
  ];
}

function jsonForms(): SpecCase[] {
  const { forms, refused, refused_bytes, refused_envelopes } = readVectors<{
    forms: (Named & { envelope: string; json: string })[];
    refused: (Named & { json: string })[];
    refused_bytes: (Named & { json_hex: string })[];
    refused_envelopes: (Named & { envelope: string })[];
  }>("json-form");
  const refuses = (read: () => unknown) => assert.throws(read, { code: "BAD_REQUEST" });
  return [
    ...of("json-form", forms, ({ envelope, json }) => {
      assert.equal(toJsonForm(unhex(envelope)), json);
      assert.equal(hex(fromJsonForm(json)), envelope);
      assert.equal(hex(fromJsonForm(Buffer.from(json))), envelope);
    }),
    ...of("json-form", refused, ({ json }) => {
      refuses(() => fromJsonForm(json));
      refuses(() => fromJsonForm(Buffer.from(json)));
    }),
    ...of("json-form", refused_bytes, ({ json_hex }) => refuses(() => fromJsonForm(unhex(json_hex)))),
    ...of("json-form", refused_envelopes, ({ envelope }) => refuses(() => toJsonForm(unhex(envelope)))),
  ];
}

function admissions(): SpecCase[] {
  type Item = { readonly counter: number } & Readonly<
    Record<"epoch" | "session_id" | "replay_nonce" | "tag" | "attempt", string>
  >;
  const { batches, answers, question_lengths, judgements } = readVectors<{
    batches: (Named & { items: Item[]; data: string })[];
    answers: (Named & { count: number; data: string; verdicts: AdmitVerdict[] })[];
    question_lengths: (Named & { bytes: number; accepted: boolean })[];
    judgements: Judgements;
  }>("admission");
  const itemOf = ({ epoch, session_id, counter, replay_nonce, tag, attempt }: Item): AdmitItem => ({
    epoch: unhex(epoch),
    sessionId: unhex(session_id),
    counter,
    replayNonce: unhex(replay_nonce),
    tag: unhex(tag),
    attempt: unhex(attempt),
  });
  return [
    ...of("admission", batches, ({ items, data }) => {
      assert.equal(hex(encodeAdmitBatch(items.map(itemOf))), data);
      assert.deepEqual(decodeAdmitBatch(unhex(data)), items.map(itemOf));
    }),
    ...of("admission", answers, ({ data, count, verdicts }) => {
      assert.deepEqual(decodeVerdicts(unhex(data), count), verdicts);
      if (isOfKnownVerdicts(data, count)) assert.equal(hex(encodeVerdicts(verdicts)), data);
    }),
    ...of("admission", question_lengths, ({ bytes, accepted }) => {
      assert.equal(isAccepted(new Uint8Array(bytes)), accepted);
    }),
    ...of("admission", judgements.questions, ({ name }) => judge(judgements, name)),
  ];
}

/** One of 0x66, 0x72, 0x75 and 0x78 for each item. */
function isOfKnownVerdicts(data: string, count: number): boolean {
  return data.length === 2 * count && /^(?:66|72|75|78)*$/.test(data);
}

interface Judgements {
  readonly epoch: string;
  readonly minutes: readonly number[];
  readonly provider: string;
  readonly questions: readonly (Named & { readonly item: string; readonly verdict: AdmitVerdict })[];
}

/** Has the guard's replay table decide all items up to the one of this name. */
function judge({ epoch, minutes, provider, questions }: Judgements, last: string): void {
  const table = new ReplayTable("store", { entriesMax: 100, quota: 100 });
  table.make({ epoch, buckets: minutes.map((minute) => ({ minute, lifeMs: 1000 })) }, undefined, 0);
  for (const { name, item, verdict } of questions) {
    const { toStore, merge } = sortBatch(decodeAdmitBatch(unhex(item)), unhex(epoch));
    const answer = table.admit({ epoch, store: "store", provider, items: toStore }, 0);
    assert(answer.isStore);
    const verdicts = merge(answer.verdicts);
    if (name !== last) continue;
    assert.deepEqual(verdicts, [verdict]);
    return;
  }
}

function isAccepted(question: Uint8Array): boolean {
  try {
    decodeAdmitBatch(question);
    return true;
  } catch (error) {
    if (isScbeError(error, "BAD_REQUEST")) return false;
    throw error;
  }
}

function noises(): SpecCase[] {
  type NoiseVector = Named &
    Record<"noise_key" | "received" | "sha256" | "noise", string> &
    Record<"arrived_at_ms" | "noise_floor_ms" | "not_before_ms", number>;
  type Waits = Named & { starts: boolean } & Record<
      "guard_wait_ms" | "noise_floor_ms" | "sign_of_life_ms",
      number
    >;
  const { vectors, waits } = readVectors<{ vectors: NoiseVector[]; waits: Waits[] }>("noise");
  return [
    ...of("noise", vectors, (vector) => {
      const random = { fill: (bytes: Uint8Array) => bytes.set(unhex(vector.noise_key)) };
      const clock = { now: () => 0, monotonic: () => vector.arrived_at_ms };
      const noise = new Noise(vector.noise_floor_ms, clock, random);
      const { data, notBefore } = noise.answer(unhex(vector.received), vector.arrived_at_ms);
      assert.deepEqual([hex(data), notBefore], [vector.noise, vector.not_before_ms]);
    }),
    ...of("noise", waits, ({ guard_wait_ms, noise_floor_ms, sign_of_life_ms, starts }) => {
      const reading = readConfig(clientConfig, {
        SCBE_ADMIT_TIMEOUT_MS: String(guard_wait_ms),
        SCBE_NOISE_FLOOR_MS: String(noise_floor_ms),
        SCBE_ACCEPT_TIMEOUT_MS: String(sign_of_life_ms),
      });
      const problems = reading.ok
        ? []
        : reading.problems.filter((it) => /TIMEOUT_MS|FLOOR_MS/.test(JSON.stringify(it)));
      assert.equal(problems.length === 0, starts, JSON.stringify(problems));
    }),
  ];
}

function openingTokens(): SpecCase[] {
  type Facts = Named & { env: Environment } & Record<
      "user" | "provider" | "intent" | "hash" | "token",
      string
    >;
  const { made, not_made, judged } = readVectors<{
    made: (Facts & { key: VectorKey; expires_at: number })[];
    not_made: (Facts & { keys: VectorKey[]; active: string; expires_at: number; reason: string })[];
    judged: (Facts & { keys: VectorKey[]; now: number; verdict: TokenVerdict })[];
  }>("opening-tokens");
  const tokens = (env: Environment, keys: readonly VectorKey[], now: number, kid = keys[0]?.kid) => {
    const held = keys.map(heldKey);
    const active = (provider: string, intent: string) =>
      held.find((key) => key.kid === kid && key.provider === provider && key.intent === intent);
    const find = (kid: string, provider: string, intent: string) =>
      held.find((key) => key.kid === kid && key.provider === provider && key.intent === intent);
    return new OpeningTokens({
      keys: { active, find },
      clock: { now: () => now, monotonic: () => 0 },
      env,
    });
  };
  const factsOf = ({ user, provider, intent, hash }: Facts) => ({
    user,
    provider,
    intent,
    hash: unhex(hash),
  });
  return [
    ...of("opening-tokens", made, (vector) => {
      const { env, key, expires_at, token } = vector;
      assert.equal(tokens(env, [key], 0).issue(factsOf(vector), expires_at), token);
    }),
    ...of("opening-tokens", not_made, (vector) => {
      const { env, keys, active, expires_at, reason } = vector;
      const issue = () => tokens(env, keys, 0, active).issue(factsOf(vector), expires_at);
      assert.throws(issue, { name: "ScbeError", code: reason.toUpperCase() });
    }),
    ...of("opening-tokens", judged, (vector) => {
      const { env, keys, now, token, verdict } = vector;
      assert.equal(tokens(env, keys, now).judge(token, factsOf(vector)), verdict);
    }),
  ];
}
