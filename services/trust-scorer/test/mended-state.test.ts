import { randomUUID } from "node:crypto";
import { KV_KEYS, trustIn } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dropEvents, entryOf, JUNK, put, putOnlyJunk } from "./broken-store.ts";
import { LONG, replayOf, type Stage, send, startScorer, startStage } from "./scorer-stage.ts";
import { eventOf, OPENAI, rowOf } from "./trust-story.ts";

/** An unreadable stored state is rebuilt from the newest readable one before it and the stream, if the stream has all messages after it. */
type TestScorer = Awaited<ReturnType<typeof startScorer>>;
const XAI = "xai";
const { trustState } = KV_KEYS;
let stage: Stage;
beforeEach(async () => {
  stage = await startStage();
});
afterEach(() => stage?.[Symbol.asyncDispose]());

const timeout = (n: number, provider: string = OPENAI) =>
  eventOf({ kind: "outcome", result: "timeout" }, n, provider);
/** Enough failures to exclude the provider. */
const failures = (from: number) => [0, 1, 2, 3, 4].map((n) => timeout(from + n));
const latching = (n: number) => eventOf({ kind: "integrity", cause: "bound_response_fails" }, n, XAI);
const noteOf = (scorer: TestScorer) =>
  scorer.host.readiness.report().find(({ name }) => name === "stored trust")?.note;
const isMended = (scorer: TestScorer) =>
  eventually(async () => (await scorer.metric("scbe_records_mended_total", { record: "trust" })) === 1, LONG);

/** The stored state after the first of two parts: a report of the guard, then a latch by a teller and an exclusion. */
async function tellStory(): Promise<{ readonly first: Buffer }> {
  await using scorer = await startScorer(stage.nats);
  expect(await scorer.metric("scbe_records_mended_total", { record: "trust" })).toBe(0);
  const id = randomUUID();
  await stage.guard.report(OPENAI, { id, seen_at: -1 });
  await eventually(async () => trustIn(await stage.settled(), OPENAI).latch?.event === id, LONG);
  const first = (await entryOf(stage, trustState)).value;
  await send(stage, [latching(1), ...failures(2)]);
  await stage.settled();
  return { first };
}

async function expectAsReplayed(scorer: TestScorer, samples: number): Promise<void> {
  await isMended(scorer);
  const state = await eventually(async () => {
    const now = await stage.settled();
    return rowOf(now).samples === samples ? now : undefined;
  }, LONG);
  expect(state).toEqual(await replayOf(stage));
  expect(trustIn(state, OPENAI).latch).toMatchObject({ cause: "nonce_reuse" });
  expect(trustIn(state, XAI).latch).toMatchObject({ cause: "bound_response_fails" });
  expect(rowOf(state)).toMatchObject({ exclusions: 1 });
  expect(noteOf(scorer)).toContain("of the trust stream");
  expect(scorer.host.readiness.ready).toBe(true);
}

/** Resolves when a leader with an unreadable state has read it several times: it renews its lease at every third pass. */
async function expectUnmended(scorer: TestScorer, why: string): Promise<void> {
  expect(await scorer.troubled(why)).toContain("INTERNAL: the stored value is not a state of trust");
  const before = await entryOf(stage, trustState);
  for (let n = 0; n < 3; n += 1) {
    const { revision } = await entryOf(stage, KV_KEYS.leader);
    await eventually(async () => (await entryOf(stage, KV_KEYS.leader)).revision > revision, LONG);
  }
  expect(await entryOf(stage, trustState)).toEqual(before);
  expect(scorer.host.readiness.ready).toBe(false);
  expect(await scorer.metric("scbe_records_mended_total", { record: "trust" })).toBe(0);
}

describe("a state that becomes unreadable while no scorer runs", () => {
  test("is mended from the one before it: later messages are read again, new ones too, and no older document is published", async () => {
    const { first } = await tellStory();
    await put(stage, trustState, first);
    await put(stage, trustState, JUNK);
    await send(stage, [timeout(100)]);
    const documentsBefore = stage.documents.length;
    await using scorer = await startScorer(stage.nats);
    await expectAsReplayed(scorer, 5);
    const document = await eventually(() => stage.documents.slice(documentsBefore).at(0), LONG);
    expect(document.stream.seq).toBe((await stage.events.bounds()).last);
    await send(stage, [timeout(101)]);
    expect(await stage.settled()).toEqual(await replayOf(stage));
    expect(await scorer.metric("scbe_records_mended_total", { record: "trust" })).toBe(1);
  });

  test("is mended although the stream has dropped the messages of the state before it", async () => {
    await tellStory();
    const before = await stage.settled();
    await dropEvents(stage, "time");
    await put(stage, trustState, JUNK);
    await using scorer = await startScorer(stage.nats);
    await isMended(scorer);
    expect(await stage.settled()).toEqual(before);
  });

  test("is not mended when the stream has dropped all messages after the state before it", async () => {
    const { first } = await tellStory();
    await dropEvents(stage, "time");
    await put(stage, trustState, first);
    await put(stage, trustState, JUNK);
    await using scorer = await startScorer(stage.nats, { awaitReady: false });
    await expectUnmended(scorer, "has dropped messages");
  });

  test("is not mended when the stream has a gap after the state before it, although its first message is older", async () => {
    const { first } = await tellStory();
    await dropEvents(stage, "number");
    expect((await stage.events.bounds()).first).toBe(1);
    await put(stage, trustState, first);
    await put(stage, trustState, JUNK);
    await using scorer = await startScorer(stage.nats, { awaitReady: false });
    await expectUnmended(scorer, "has dropped messages");
  });

  test("without a readable one before it is rebuilt from the whole stream", async () => {
    await tellStory();
    await putOnlyJunk(stage, trustState);
    await using scorer = await startScorer(stage.nats);
    await expectAsReplayed(scorer, 5);
  });

  test("without a readable one before it is not mended when the stream has dropped anything", async () => {
    await tellStory();
    await dropEvents(stage, "number");
    await putOnlyJunk(stage, trustState);
    await using scorer = await startScorer(stage.nats, { awaitReady: false });
    await expectUnmended(scorer, "has dropped messages");
  });

  test("is not rebuilt from the whole stream when no document attests it", async () => {
    await tellStory();
    await putOnlyJunk(stage, trustState);
    await put(stage, KV_KEYS.trust, JUNK);
    await using scorer = await startScorer(stage.nats, { awaitReady: false });
    await expectUnmended(scorer, "no document says what it was");
  });
});

test.each([
  ["the newest", (key: string) => put(stage, key, JUNK)],
  ["every", (key: string) => putOnlyJunk(stage, key)],
])(
  "while a scorer leads, %s value that cannot be read is mended at its next write",
  async (_which, spoil) => {
    await tellStory();
    await using scorer = await startScorer(stage.nats);
    await spoil(trustState);
    await send(stage, [timeout(100)]);
    await expectAsReplayed(scorer, 5);
  },
);
