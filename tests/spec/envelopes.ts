import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type AdmitItem, type AdmitVerdict, type Environment, encodeAdmitBatch } from "@scbe/contracts";
import {
  importSubkeys,
  type KeyContext,
  NOISE_BYTES,
  Opener,
  REFUSALS,
  type Refusal,
  type RequestOpening,
  type ResponseBinding,
  type ResponseOpening,
  type Serves,
  type Subkeys,
} from "@scbe/envelope";
import { hex, readVectors, type SpecCase, unhex } from "./vectors.ts";

/** The arrival of an envelope, by the opener's monotonic clock. */
const ARRIVED_AT_MS = 1_000_000;

/** The vectors of requests and responses, on the product's opener. */
export function cases(): SpecCase[] {
  const requests = requestVectors();
  return [
    ...requests.map((vector) => ({
      file: vector.file,
      name: vector.name,
      run: async () => {
        await tryRequest(vector);
        await tryAfter(requests[0], vector);
      },
    })),
    ...responseVectors().map((vector) => ({
      file: vector.file,
      name: vector.name,
      run: () => tryResponse(vector),
    })),
  ];
}

async function tryRequest(vector: RequestVector): Promise<void> {
  const harness = openerIn(vector);
  const opened = await openRequest(harness, vector);
  assert.deepEqual(harness.seen.reasons, reasonsOf(vector));
  assert.equal(opened.ok, vector.opens);
  assert.equal(harness.seen.admits.length, vector.opens || vector.step > 7 ? 1 : 0);
  assertStep(vector);
  if (!opened.ok) {
    assert.equal(opened.noise.data.length, NOISE_BYTES);
    assert.equal(opened.noise.notBefore, ARRIVED_AT_MS + vector.noise_floor_ms);
  } else if (vector.opens) {
    assert.deepEqual(opened.header, JSON.parse(vector.header));
    assert.deepEqual([hex(opened.body), hex(opened.hash)], [vector.body, vector.hash]);
    // all but the random attempt
    assert.equal(hex(encodeAdmitBatch(harness.seen.admits)).slice(0, 184), vector.admit);
  }
}

/** An opener decides alike after it has opened another request of the session. */
async function tryAfter(first: RequestVector | undefined, vector: RequestVector): Promise<void> {
  if (first === undefined || vector === first || !isAlike(vector, first)) return;
  const situation = { ...first };
  const harness = openerIn(situation);
  assert.equal((await openRequest(harness, first)).ok, true);
  Object.assign(situation, vector);
  harness.arriveAnother();
  assert.equal((await openRequest(harness, vector)).ok, vector.opens);
  assert.deepEqual(harness.seen.reasons, reasonsOf(vector));
}

function assertStep(vector: RequestVector | ResponseVector): void {
  if (!vector.opens) assert.equal(REFUSALS[vector.reason], vector.step);
}

function isAlike(one: RequestVector, other: RequestVector): boolean {
  return JSON.stringify([one.keys, one.serves]) === JSON.stringify([other.keys, other.serves]);
}

function tryResponse(vector: ResponseVector): void {
  const harness = openerIn(vector);
  const opened = openResponse(harness, vector);
  assert.deepEqual(harness.seen.reasons, reasonsOf(vector));
  assert.equal(opened.ok, vector.opens);
  if (!opened.ok || !vector.opens) return;
  assert.deepEqual(opened.header, JSON.parse(vector.header));
  assert.equal(hex(opened.body), vector.body);
}

/** A key in the form of the vectors. */
export type VectorKey = KeyContext & Readonly<Record<"kid" | "k_enc" | "k_nonce", string>>;

/** docs/spec/envelope-v1.md, "Vectors", defines each member. */
interface Situation {
  readonly name: string;
  readonly keys: readonly VectorKey[];
  readonly serves: Serves & { readonly env: Environment };
  readonly now: number;
  readonly window_seconds: number;
  readonly skew_seconds: number;
  readonly held: "always" | "until_release" | "replaced_before_release";
  readonly served: "always" | "until_release";
  readonly permitted: "always" | "never" | "until_release";
  readonly envelope: string;
}
export type Outcome =
  | { readonly opens: true; readonly header: string; readonly body: string }
  | { readonly opens: false; readonly step: number; readonly reason: Refusal };
export type RequestVector = Situation &
  Outcome & {
    readonly subject_provider: string;
    readonly subject_intent?: string;
    readonly guard: AdmitVerdict;
    readonly guard_asked_after_ms: number;
    readonly guard_answers_after_ms: number;
    readonly guard_wait_ms: number;
    readonly noise_floor_ms: number;
    readonly hash: string;
    readonly admit: string;
  };
type Waiting = Omit<ResponseBinding, "hash" | "isAwaited"> & { readonly hash: string };
type ResponseVector = Situation & Outcome & { readonly waiting: Waiting; readonly token_refused: boolean };

type Filed<T> = T & { readonly file: string };

/** The vectors of some files, each with its file. */
function vectorsOf<T>(...files: readonly string[]): Filed<T>[] {
  return files.flatMap((file) =>
    readVectors<{ vectors: T[] }>(file).vectors.map((vector) => ({ ...vector, file })),
  );
}

export function requestVectors(): Filed<RequestVector>[] {
  return vectorsOf("requests", "requests-refused");
}

export function responseVectors(): Filed<ResponseVector>[] {
  return vectorsOf("responses", "responses-refused");
}

/** The reasons of refusal that a vector expects. */
function reasonsOf(vector: Outcome): readonly Refusal[] {
  return vector.opens ? [] : [vector.reason];
}

type OpenerInSituation = ReturnType<typeof openerIn>;

export function openRequest(
  { opener }: OpenerInSituation,
  vector: RequestVector,
  bytes: Uint8Array = unhex(vector.envelope),
): RequestOpening | Promise<RequestOpening> {
  const { subject_provider: provider, subject_intent: intent } = vector;
  return opener.openRequest(bytes, {
    provider,
    arrivedAt: ARRIVED_AT_MS,
    ...(intent !== undefined && { intent }),
  });
}

export function openResponse({ opener }: OpenerInSituation, vector: ResponseVector): ResponseOpening {
  const { waiting, token_refused, envelope } = vector;
  return opener.openResponse(unhex(envelope), {
    ...waiting,
    hash: unhex(waiting.hash),
    isAwaited: !token_refused,
  });
}

/** The product's opener in the situation of a vector, which a test can change later, and what its observer sees. */
export function openerIn(vector: RequestVector | ResponseVector) {
  const held = vector.keys.map(heldKey);
  const serves = { ...vector.serves };
  const seen = { reasons: [] as Refusal[], admits: [] as AdmitItem[] };
  const isRequest = "guard" in vector;
  let elapsed = 0;
  let isKilled = false;
  const opener = new Opener(
    {
      env: serves.env,
      serves,
      clock: { now: () => vector.now, monotonic: () => ARRIVED_AT_MS + elapsed },
      keys: {
        find: (...names) =>
          held.find(({ kid, provider, intent }) => names.join() === [kid, provider, intent].join()),
      },
      admission: {
        admit: async (item) => {
          seen.admits.push(item);
          elapsed = isRequest ? vector.guard_answers_after_ms : 0;
          return isRequest ? vector.guard : "refused";
        },
      },
      permission: { permits: () => vector.permitted !== "never" && !isKilled },
      observer: {
        verified: () => {
          if (vector.permitted === "until_release") isKilled = true;
          if (vector.held !== "always") {
            const others = vector.held === "until_release" ? [] : vector.keys.map(replaced);
            held.splice(0, held.length, ...others);
          }
          if (vector.served === "until_release") Object.assign(serves, { providers: [] });
        },
        released: () => undefined,
        refused: ({ reason }) => {
          seen.reasons.push(reason);
        },
      },
    },
    {
      get windowSeconds() {
        return vector.window_seconds;
      },
      get skewSeconds() {
        return vector.skew_seconds;
      },
      noiseFloorMs: isRequest ? vector.noise_floor_ms : 0,
      guardWaitMs: isRequest ? vector.guard_wait_ms : 0,
    },
  );
  /** Resets the clock before a second envelope. */
  const arriveAnother = () => {
    elapsed = isRequest ? vector.guard_asked_after_ms : 0;
  };
  arriveAnother();
  return { opener, seen, arriveAnother };
}

/** A key in the form of the product. */
export function heldKey(key: VectorKey): Subkeys {
  return importSubkeys(key, unhex(key.k_enc + key.k_nonce));
}

/** Another key with the same names. */
function replaced(key: VectorKey): Subkeys {
  return importSubkeys(key, randomBytes(64));
}
