import { randomUUID } from "node:crypto";
import { jcs, KV_KEYS, trustIn } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { readTrustDocument } from "@scbe/verifier";
import { afterEach, beforeEach, expect, test } from "vitest";
import { documentOf } from "../src/domain/trust-state.ts";
import { entryOf, JUNK, put, putOnlyJunk } from "./broken-store.ts";
import { LONG, overrideSubject, type Stage, send, startScorer, startStage } from "./scorer-stage.ts";
import { eventOf, idOf, OPENAI } from "./trust-story.ts";

/** The keys beside the state: the published document, and the relay's place in the security stream. */
const { trust, trustRelay } = KV_KEYS;
let stage: Stage;
beforeEach(async () => {
  stage = await startStage();
});
afterEach(() => stage?.[Symbol.asyncDispose]());

const documentIsThere = () =>
  eventually(async () => readTrustDocument((await entryOf(stage, trust)).value), LONG);
const placeOf = async () => JSON.parse((await entryOf(stage, trustRelay)).value.toString());
const lastEvent = async () => (await stage.events.bounds()).last;

/** One report of a guard that an operator has cleared: it would latch the provider again if it counted twice. */
async function clearedReport(): Promise<void> {
  const id = randomUUID();
  await stage.guard.report(OPENAI, { id, seen_at: -1 });
  await eventually(async () => trustIn(await stage.settled(), OPENAI).latch?.event === id, LONG);
  const clearing = { v: 1, kind: "clearing", id: idOf(5), provider: OPENAI, at: 1, clears: id };
  await stage.raw.put(overrideSubject, jcs({ ...clearing, reason: "looked at it", by: "ana" }));
  await eventually(async () => trustIn(await stage.settled(), OPENAI).latch === null, LONG);
}

test("an unreadable document is written again from the state by a scorer that starts", async () => {
  const before = await startScorer(stage.nats);
  await send(stage, [eventOf({ kind: "outcome", result: "timeout" }, 1)]);
  const state = await stage.settled();
  await before[Symbol.asyncDispose]();
  await put(stage, trust, JUNK);
  await using _scorer = await startScorer(stage.nats);
  expect(await documentIsThere()).toEqual(documentOf(state));
});

test("an unreadable document is written again by a leader without new reports", async () => {
  await using scorer = await startScorer(stage.nats);
  await send(stage, [eventOf({ kind: "outcome", result: "timeout" }, 1)]);
  const state = await stage.settled();
  await eventually(async () => (await documentIsThere())?.stream.seq === state.stream.seq, LONG);
  await put(stage, trust, JUNK);
  expect(await documentIsThere()).toEqual(documentOf(state));
  expect(await stage.settled()).toEqual(state);
  expect(scorer.host.logs.text).toContain("is written again");
});

test("an unreadable place of the relay is replaced by the one before it, and no report is copied twice", async () => {
  const before = await startScorer(stage.nats);
  await clearedReport();
  await eventually(async () => (await placeOf()).seq === 1, LONG);
  const place = await placeOf();
  await before[Symbol.asyncDispose]();
  const last = await lastEvent();
  await put(stage, trustRelay, JUNK);
  await using _scorer = await startScorer(stage.nats);
  await eventually(async () => (await placeOf()).seq === 1, LONG);
  expect(await placeOf()).toEqual(place);
  await stage.guard.report(OPENAI, { id: randomUUID(), seen_at: -1 });
  await eventually(async () => trustIn(await stage.settled(), OPENAI).latch !== null, LONG);
  expect(await lastEvent()).toBe(last + 1);
});

test("a relay without any readable place begins anew: a report that it copies twice counts once", async () => {
  const before = await startScorer(stage.nats);
  await clearedReport();
  await eventually(async () => (await placeOf()).seq === 1, LONG);
  await before[Symbol.asyncDispose]();
  const last = await lastEvent();
  await putOnlyJunk(stage, trustRelay);
  await using _scorer = await startScorer(stage.nats);
  await eventually(async () => (await lastEvent()) === last + 1, LONG);
  await eventually(async () => (await placeOf()).seq === 1, LONG);
  expect(trustIn(await stage.settled(), OPENAI)).toMatchObject({ latch: null, doubts: 1 });
});
