import { randomUUID } from "node:crypto";
import { KV_KEYS, trustIn, writeMessage } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dropEvents, entryOf, put, putOnlyJunk } from "./broken-store.ts";
import { LONG, overrideSubject, type Stage, send, startScorer, startStage } from "./scorer-stage.ts";
import { eventOf, idOf, OPENAI, rowOf } from "./trust-story.ts";

/**
 * What stands in the bucket is no state, none before it can be read, and the stream has dropped its first message; the steps are those of the
 * README, with the rights that it tells to take.
 */
let stage: Stage;
let scorer: Awaited<ReturnType<typeof startScorer>>;

beforeEach(async () => {
  stage = await startStage();
  const before = await startScorer(stage.nats);
  await send(stage, [eventOf({ kind: "outcome", result: "timeout" }, 100, "xai")]);
  await stage.settled();
  await dropEvents(stage, "time");
  const id = randomUUID();
  await stage.guard.report(OPENAI, { id, seen_at: -1 });
  await eventually(async () => trustIn(await stage.settled(), OPENAI).latch?.event === id, LONG);
  await send(stage, [eventOf({ kind: "outcome", result: "timeout" }, 1)]);
  await eventually(async () => rowOf(await stage.settled()).samples === 1, LONG);
  await before[Symbol.asyncDispose]();
  await putOnlyJunk(stage, KV_KEYS.trustState);
  scorer = await startScorer(stage.nats, { awaitReady: false });
});
afterEach(async () => {
  await scorer?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
});

test("a stored state that cannot be read is not overwritten, and the scorer is not ready and says why", async () => {
  expect(await scorer.troubled("no state of trust")).toContain("INTERNAL");
  const { revision } = await entryOf(stage, KV_KEYS.trustState);
  const heard = stage.heard.length;
  await send(stage, [eventOf({ kind: "outcome", result: "timeout" }, 2)]);
  await renewed(3);
  expect(await entryOf(stage, KV_KEYS.trustState)).toEqual({ value: expect.anything(), revision });
  expect(stage.heard.length).toBe(heard);
  expect(scorer.host.readiness.ready).toBe(false);
});

test("it goes on from the document that a person puts in its place, with every latch and all evidence", async () => {
  await scorer.troubled("no state of trust");
  const document = JSON.parse((await entryOf(stage, KV_KEYS.trust)).value.toString());
  await put(stage, KV_KEYS.trustState, bytes({ ...document, recent: {} }));
  await eventually(() => scorer.host.readiness.ready, LONG);
  await send(stage, [eventOf({ kind: "outcome", result: "timeout" }, 2)]);
  const trust = await eventually(async () => {
    const now = await stage.settled();
    return rowOf(now).samples === 2 ? now : undefined;
  }, LONG);
  expect(rowOf(trust)).toMatchObject({ samples: 2, w: 3.218 });
  expect(trustIn(trust, OPENAI).latch).toEqual(trustIn(document, OPENAI).latch);
  expect(trustIn(trust, OPENAI).latch).toMatchObject({ cause: "nonce_reuse" });
});

test("it begins anew, with what the two streams hold, once a person has deleted its keys; a latch that was cleared stays so", async () => {
  const { latch } = trustIn(JSON.parse((await entryOf(stage, KV_KEYS.trust)).value.toString()), OPENAI);
  const clearing = {
    ...{ v: 1, kind: "clearing", id: idOf(5), provider: OPENAI, at: 1, clears: latch?.event },
    ...{ reason: "looked at it", by: "ana" },
  };
  stage.raw.connection.publish(overrideSubject, bytes(clearing));
  await scorer.troubled("no state of trust");
  for (const key of [KV_KEYS.trustRelay, KV_KEYS.trustState]) {
    await stage.raw.delete(`$KV.SCBE_TRUST.${key}`);
  }
  await eventually(() => scorer.host.readiness.ready, LONG);
  // After the message that was dropped: the report, the outcome, the person's word, and the report that was taken over once more.
  const state = await eventually(async () => {
    const now = await stage.settled();
    return now.stream.seq === 5 ? now : undefined;
  }, LONG);
  expect(trustIn(state, OPENAI).latch).toBeNull();
  expect(rowOf(state)).toMatchObject({ samples: 1, w: 1.609 });
});

const bytes = (value: unknown) => writeMessage(value);

/** Resolves when the leader has written so many times that it leads: between two times there are three turns. */
async function renewed(times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    const { revision } = await entryOf(stage, KV_KEYS.leader);
    await eventually(async () => (await entryOf(stage, KV_KEYS.leader)).revision > revision, LONG);
  }
}
