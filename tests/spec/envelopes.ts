import assert from "node:assert/strict";
import { encodeAdmitBatch } from "@scbe/contracts";
import { NOISE_BYTES, REFUSALS } from "@scbe/envelope";
import {
  ARRIVED_AT_MS,
  openerIn,
  openRequest,
  openResponse,
  type RequestVector,
  type ResponseVector,
  reasonsOf,
  requestVectors,
  responseVectors,
} from "./opener-in.ts";
import { hex } from "./read-vectors.ts";
import type { SpecCase } from "./spec-case.ts";

/** Requests and responses, tried on the product's opener. */
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
    // the attempt is drawn, and all else the vector's
    assert.equal(hex(encodeAdmitBatch(harness.seen.admits)).slice(0, 184), vector.admit);
  }
}

/** An opener that has opened another request of the session decides as one that has not. */
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
