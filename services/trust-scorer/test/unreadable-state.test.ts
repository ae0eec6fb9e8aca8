import { randomUUID } from "node:crypto";
import { KV_KEYS, SUBJECTS, subjectFor, trustIn } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LONG, type Stage, send, startScorer, startStage } from "./scorer-stage.ts";
import { eventOf, idOf, OPENAI } from "./trust-story.ts";

/** What stands in the bucket is no state; the steps are those of the README, with the rights that it tells to take. */
let stage: Stage;
let scorer: Awaited<ReturnType<typeof startScorer>>;
const JUNK = Buffer.from("{}");

beforeEach(async () => {
  stage = await startStage();
  const before = await startScorer(stage.nats);
  const id = randomUUID();
  const reuse = { v: 1, id, env: "dev", provider: OPENAI, session: "s", counter: 1, seen_at: -1 };
  const options = { id, timeoutMs: LONG.timeoutMs };
  await stage.guard.publishAcknowledged(subjectFor("nonceReuse", OPENAI), bytes(reuse), options);
  await eventually(async () => trustIn(await stage.settled(), OPENAI).latch?.event === id, LONG);
  await send(stage.scorer, [eventOf({ kind: "outcome", result: "timeout" }, 1)]);
  await eventually(async () => trustIn(await stage.settled(), OPENAI).samples === 1, LONG);
  await before[Symbol.asyncDispose]();
  await put(KV_KEYS.trustState, JUNK);
  scorer = await startScorer(stage.nats, { awaitReady: false });
});
afterEach(async () => {
  await scorer?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
});

test("a stored state that cannot be read is not overwritten, and the scorer is not ready and says why", async () => {
  expect(await scorer.troubled("no state of trust")).toContain("INTERNAL");
  const { revision } = await entryOf(KV_KEYS.trustState);
  const heard = stage.heard.length;
  await send(stage.scorer, [eventOf({ kind: "outcome", result: "timeout" }, 2)]);
  await renewed(3);
  expect(await entryOf(KV_KEYS.trustState)).toEqual({ value: expect.anything(), revision });
  expect(stage.heard.length).toBe(heard);
  expect(scorer.host.readiness.ready).toBe(false);
});

test("it goes on from the document that a person puts in its place, with every latch and all evidence", async () => {
  await scorer.troubled("no state of trust");
  const document = JSON.parse((await entryOf(KV_KEYS.trust)).value.toString());
  await put(KV_KEYS.trustState, bytes({ ...document, recent: {} }));
  await eventually(() => scorer.host.readiness.ready, LONG);
  await send(stage.scorer, [eventOf({ kind: "outcome", result: "timeout" }, 2)]);
  const trust = await eventually(async () => {
    const now = trustIn(await stage.settled(), OPENAI);
    return now.samples === 2 ? now : undefined;
  }, LONG);
  expect(trust).toEqual({ ...trustIn(document, OPENAI), samples: 2, w: 3.218 });
  expect(trust.latch).toMatchObject({ cause: "nonce_reuse" });
});

test("it begins anew, with what the two streams hold, once a person has deleted its keys; a latch that was cleared stays so", async () => {
  const { latch } = trustIn(JSON.parse((await entryOf(KV_KEYS.trust)).value.toString()), OPENAI);
  const clearing = {
    ...{ v: 1, kind: "clearing", id: idOf(5), provider: OPENAI, at: 1, clears: latch?.event },
    ...{ reason: "looked at it", by: "ana" },
  };
  stage.controller.publish(SUBJECTS.trustWord, bytes(clearing));
  await scorer.troubled("no state of trust");
  for (const key of [KV_KEYS.trustState, KV_KEYS.trustRelay]) {
    stage.scorer.publish(`$KV.SCBE_TRUST.${key}`, Buffer.alloc(0), { "KV-Operation": "DEL" });
  }
  await eventually(() => scorer.host.readiness.ready, LONG);
  // The report, the outcome, the person's word, and the report that was taken over once more.
  const state = await eventually(async () => {
    const now = await stage.settled();
    return now.stream.seq === 4 ? now : undefined;
  }, LONG);
  expect(trustIn(state, OPENAI)).toMatchObject({ samples: 1, w: 1.609, latch: null });
});

const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

async function entryOf(key: string) {
  const { value, revision } = await eventually(() => stage.bucket.get(key), LONG);
  return { value: Buffer.from(value), revision };
}

/** As `nats kv put` does. */
async function put(key: string, value: Uint8Array): Promise<void> {
  await stage.bucket.update(key, value, (await entryOf(key)).revision);
}

/** Resolves when the leader has written so many times that it leads: between two times there are three turns. */
async function renewed(times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    const { revision } = await entryOf(KV_KEYS.leader);
    await eventually(async () => (await entryOf(KV_KEYS.leader)).revision > revision, LONG);
  }
}
