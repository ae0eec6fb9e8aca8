import { randomUUID } from "node:crypto";
import { KV_KEYS, trustIn, writeMessage } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dropEvents, entryOf, put, putOnlyJunk } from "./broken-store.ts";
import { LONG, overrideSubject, type Stage, send, startScorer, startStage } from "./scorer-stage.ts";
import { eventOf, idOf, OPENAI, rowOf } from "./trust-story.ts";

/**
 * The stored value is not a state, none before it is readable, and the stream has dropped its first message. The steps and the credentials
 * are those of the README.
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

test("an unreadable stored state is not overwritten, and the scorer is not ready and shows why", async () => {
  expect(await scorer.troubled("not a state of trust")).toContain("INTERNAL");
  const { revision } = await entryOf(stage, KV_KEYS.trustState);
  const documentsBefore = stage.documents.length;
  await send(stage, [eventOf({ kind: "outcome", result: "timeout" }, 2)]);
  await renewed(3);
  expect(await entryOf(stage, KV_KEYS.trustState)).toEqual({ value: expect.anything(), revision });
  expect(stage.documents.length).toBe(documentsBefore);
  expect(scorer.host.readiness.ready).toBe(false);
});

test("it continues from the document that an operator stores in its place, with every latch and all evidence", async () => {
  await scorer.troubled("not a state of trust");
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

test("it begins anew, with the content of the two streams, after an operator has deleted its keys; a cleared latch stays cleared", async () => {
  const { latch } = trustIn(JSON.parse((await entryOf(stage, KV_KEYS.trust)).value.toString()), OPENAI);
  const clearing = {
    ...{ v: 1, kind: "clearing", id: idOf(5), provider: OPENAI, at: 1, clears: latch?.event },
    ...{ reason: "looked at it", by: "ana" },
  };
  stage.raw.connection.publish(overrideSubject, bytes(clearing));
  await scorer.troubled("not a state of trust");
  for (const key of [KV_KEYS.trustRelay, KV_KEYS.trustState]) {
    await stage.raw.delete(`$KV.SCBE_TRUST.${key}`);
  }
  await eventually(() => scorer.host.readiness.ready, LONG);
  // After the dropped message: the report, the outcome, the clearing, and the report that was copied again.
  const state = await eventually(async () => {
    const now = await stage.settled();
    return now.stream.seq === 5 ? now : undefined;
  }, LONG);
  expect(trustIn(state, OPENAI).latch).toBeNull();
  expect(rowOf(state)).toMatchObject({ samples: 1, w: 1.609 });
});

const bytes = (value: unknown) => writeMessage(value);

/** Resolves when the leader has renewed its lease so many times; there are three passes between two renewals. */
async function renewed(times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    const { revision } = await entryOf(stage, KV_KEYS.leader);
    await eventually(async () => (await entryOf(stage, KV_KEYS.leader)).revision > revision, LONG);
  }
}
