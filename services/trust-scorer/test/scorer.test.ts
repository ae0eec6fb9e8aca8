import { randomUUID } from "node:crypto";
import {
  BUCKETS,
  KV_KEYS,
  type NonceReuseEvent,
  SUBJECTS,
  subjectFor,
  type TrustEvent,
  trustIn,
} from "@scbe/contracts";
import { connectProbe, eventually } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LONG, PROVIDERS, type Stage, send, startScorer, startStage } from "./scorer-stage.ts";
import { eventOf, OPENAI, type Plot } from "./trust-story.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await startStage();
});
afterEach(() => stage?.[Symbol.asyncDispose]());

let count = 0;
const outcome = (result: "ok" | "timeout" | "busy", provider: string = OPENAI): TrustEvent => {
  count += 1;
  return eventOf({ kind: "outcome", result }, count, provider);
};
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

/** Resolves when the guard's report is in its stream. */
async function report(provider: string): Promise<NonceReuseEvent> {
  const id = randomUUID().replaceAll("-", "");
  const event = { v: 1 as const, id, env: "dev" as const, provider, session: "s", counter: 1, seen_at: 1 };
  await stage.guard.publishAcknowledged(subjectFor("nonceReuse", provider), bytes(event), {
    ...{ id, timeoutMs: LONG.timeoutMs },
  });
  return event;
}

/** Resolves when a person's word is in the stream. */
async function say(plot: Plot | TrustEvent): Promise<void> {
  count += 1;
  const event = "id" in plot ? plot : eventOf(plot, count);
  const options = { id: event.id, timeoutMs: LONG.timeoutMs };
  await stage.controller.publishAcknowledged(SUBJECTS.trustWord, bytes(event), options);
}

const clearing = (clears: string): TrustEvent => ({
  ...{ v: 1, kind: "clearing", id: randomUUID(), provider: OPENAI, at: 1 },
  ...{ clears, reason: "looked at it", by: "ana" },
});

const latchOf = async () => trustIn(await stage.settled(), OPENAI).latch;
const latched = () => eventually(async () => (await latchOf()) ?? undefined, LONG);

describe("a scorer that leads", () => {
  test("tells readers what outcomes came to: by broadcast, for looking up, and in its metrics", async () => {
    await using scorer = await startScorer(stage.nats);
    await send(stage.scorer, [...Array.from({ length: 5 }, () => outcome("timeout")), outcome("ok", "xai")]);
    await stage.settled();
    const told = await eventually(() => stage.heard.find(({ stream }) => stream.seq === 6), LONG);
    expect(told.providers).toMatchObject({
      openai: { samples: 5, exclusions: 1 },
      xai: { samples: 1, w: 0 },
    });
    const bucket = await stage.orchestrator.bucket(BUCKETS.trust);
    const entry = await eventually(async () => {
      const found = await bucket.get(KV_KEYS.trust);
      return found?.value.toString() === bytes(told).toString() ? found : undefined;
    }, LONG);
    expect(JSON.parse(Buffer.from(entry.value).toString("utf8"))).toEqual(told);
    expect(await scorer.metric("scbe_trust_score", { provider: "openai" })).toBe(0);
    expect(await scorer.metric("scbe_trust_score", { provider: "xai" })).toBe(1);
    expect(await scorer.metric("scbe_trust_score_avg")).toBe(0.5);
    expect(await scorer.metric("scbe_trust_samples", { provider: "openai" })).toBe(5);
    expect(await scorer.metric("scbe_trust_excluded", { provider: "openai" })).toBe(1);
    expect(await scorer.metric("scbe_trust_latched", { provider: "openai" })).toBe(0);
  });

  test("says so again while nothing happens", async () => {
    await using _scorer = await startScorer(stage.nats);
    const before = stage.heard.length;
    await eventually(() => stage.heard.length >= before + 3, LONG);
  });

  test("counts what may not stand in the stream as bad, and goes on behind it", async () => {
    await using scorer = await startScorer(stage.nats);
    const subject = subjectFor("outcome", OPENAI);
    const bad = [
      Buffer.from("junk"),
      Buffer.alloc(0),
      bytes({ ...outcome("timeout"), more: 1 }),
      bytes(outcome("timeout", "xai")),
      bytes({ ...eventOf({ kind: "integrity", cause: "bound_response_fails" }, 1), id: "a".repeat(65) }),
      bytes(eventOf({ kind: "integrity", cause: "nonce_reuse" }, 2)),
      bytes(eventOf({ kind: "calibration", score: 0 }, 3)),
      bytes(clearing("a")),
    ];
    for (const data of bad) stage.scorer.publish(subject, data);
    stage.controller.publish(SUBJECTS.trustWord, bytes(outcome("timeout")));
    await stage.controller.flush();
    await send(stage.scorer, [outcome("ok")]);
    const state = await eventually(async () => {
      const now = await stage.settled();
      return now.stream.seq === bad.length + 2 ? now : undefined;
    }, LONG);
    expect(state.providers).toEqual({ openai: expect.objectContaining({ samples: 1, w: 0, latch: null }) });
    expect(await scorer.metric("scbe_trust_events_total", { result: "bad" })).toBe(bad.length + 1);
    expect(await scorer.metric("scbe_trust_events_total", { result: "applied" })).toBe(1);
  });

  test("counts an event that comes twice once", async () => {
    await using _scorer = await startScorer(stage.nats);
    const event = outcome("timeout");
    await send(stage.scorer, [event, outcome("timeout"), event, event]);
    expect(trustIn(await stage.settled(), OPENAI)).toMatchObject({ samples: 2 });
  });
});

describe("a latch", () => {
  test("is set by a guard's report, stands through a restart, and goes by a person's word alone", async () => {
    const first = await startScorer(stage.nats);
    const { id } = await report(OPENAI);
    expect(await latched()).toMatchObject({ cause: "nonce_reuse", event: id });
    await first[Symbol.asyncDispose]();
    await using second = await startScorer(stage.nats);
    await send(stage.scorer, [outcome("ok"), outcome("ok", "xai")]);
    expect(await latchOf()).toMatchObject({ event: id });
    expect(await second.metric("scbe_trust_latched", { provider: "openai" })).toBe(1);
    expect(await second.metric("scbe_trust_latched", { provider: "xai" })).toBe(0);
    await say(clearing("another-event"));
    expect(await latchOf()).toMatchObject({ event: id });
    await say(clearing(id));
    expect(await latchOf()).toBe(null);
  });

  test("that was cleared stays so when the report is taken over once more, as after a crash", async () => {
    const first = await startScorer(stage.nats);
    const { id } = await report(OPENAI);
    await latched();
    await say(clearing(id));
    expect(await latchOf()).toBe(null);
    await first[Symbol.asyncDispose]();
    const place = await stage.bucket.get(KV_KEYS.trustRelay);
    await stage.bucket.update(KV_KEYS.trustRelay, bytes({}), place?.revision ?? 0);
    await using _second = await startScorer(stage.nats);
    await eventually(async () => (await stage.events.bounds()).last === 3, LONG);
    expect(await latchOf()).toBe(null);
  });

  test("is set by a report that came while no scorer ran", async () => {
    const { id } = await report(OPENAI);
    await using _scorer = await startScorer(stage.nats);
    expect(await latched()).toMatchObject({ event: id });
  });
});

test("nobody speaks of a provider that is not his, nor in a person's or the scorer's name", async () => {
  await using gateway = await connectProbe({
    name: "gateway-openai",
    transport: stage.nats.transport("gateway-openai"),
  });
  await using orchestrator = await connectProbe({
    name: "orchestrator",
    transport: stage.nats.transport("orchestrator"),
  });
  const own = PROVIDERS.map((provider) => subjectFor("trustTell", provider));
  const foreign = [
    subjectFor("trustTell", "anthropic"),
    ...PROVIDERS.map((provider) => subjectFor("outcome", provider)),
    ...PROVIDERS.map((provider) => subjectFor("trustReuse", provider)),
    ...[SUBJECTS.trustWord, SUBJECTS.trustState],
  ];
  expect(await orchestrator.refusedPublishes([...own, ...foreign])).toEqual(new Set(foreign));
  expect(await gateway.refusedPublishes([...own, ...foreign])).toEqual(new Set([...own, ...foreign]));
});
