import { randomUUID } from "node:crypto";
import {
  KV_KEYS,
  type NonceReuseEvent,
  SUBJECTS,
  subjectOf,
  type TrustEvent,
  trustIn,
  writeMessage,
} from "@scbe/contracts";
import { connectProbe, eventually } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  LONG,
  overrideSubject,
  PROVIDERS,
  type Stage,
  send,
  startScorer,
  startStage,
} from "./scorer-stage.ts";
import { asReported, eventOf, OPENAI, type Plot, rowOf } from "./trust-story.ts";

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
const bytes = (value: unknown) => writeMessage(value);

/** Publishes a report of the guard; resolves when it is in the security stream. */
async function report(provider: string): Promise<NonceReuseEvent> {
  return stage.guard.report(provider, { id: randomUUID().replaceAll("-", "") });
}

/** Sends an override; resolves when it is in the stream. */
async function say(plot: Plot | TrustEvent): Promise<void> {
  count += 1;
  const event = "id" in plot ? plot : eventOf(plot, count);
  await stage.controller.request(overrideSubject, bytes(event), LONG);
}

const clearing = (clears: string): TrustEvent => ({
  ...{ v: 1, kind: "clearing", id: randomUUID(), provider: OPENAI, at: 1 },
  ...{ clears, reason: "looked at it", by: "ana" },
});

const latchOf = async () => trustIn(await stage.settled(), OPENAI).latch;
const latched = () => eventually(async () => (await latchOf()) ?? undefined, LONG);

describe("a scorer that leads", () => {
  test("publishes the result of outcomes: by broadcast, as a document, and in its metrics", async () => {
    await using scorer = await startScorer(stage.nats);
    await send(stage, [...Array.from({ length: 5 }, () => outcome("timeout")), outcome("ok", "xai")]);
    await stage.settled();
    const published = await eventually(() => stage.documents.find(({ stream }) => stream.seq === 6), LONG);
    expect(published.providers).toMatchObject({
      openai: { tellers: { orchestrator: { samples: 5, exclusions: 1 } }, quorum: { needs: 1, of: 1 } },
      xai: { tellers: { orchestrator: { samples: 1, w: 0 } } },
    });
    const found = await stage.orchestrator.request(
      subjectOf("trustGet", { user: "orchestrator" }),
      bytes({ v: 1, stream: null }),
      LONG,
    );
    expect(JSON.parse(Buffer.from(found.data).toString("utf8"))).toEqual(published);
    expect(await scorer.metric("scbe_trust_score", { provider: "openai" })).toBe(0);
    expect(await scorer.metric("scbe_trust_score", { provider: "xai" })).toBe(1);
    expect(await scorer.metric("scbe_trust_score_avg")).toBe(0.5);
    expect(await scorer.metric("scbe_trust_samples", { provider: "openai" })).toBe(5);
    expect(await scorer.metric("scbe_trust_excluded", { provider: "openai" })).toBe(1);
    expect(await scorer.metric("scbe_trust_latched", { provider: "openai" })).toBe(0);
  });

  test("repeats the broadcast while nothing happens", async () => {
    await using _scorer = await startScorer(stage.nats);
    const before = stage.documents.length;
    await eventually(() => stage.documents.length >= before + 3, LONG);
  });

  test("counts invalid messages in the stream as bad, and continues after them", async () => {
    await using scorer = await startScorer(stage.nats);
    const subject = subjectOf("outcome", { user: "orchestrator", provider: OPENAI });
    const bad = [
      Buffer.from("junk"),
      Buffer.alloc(0),
      bytes({ ...outcome("timeout"), more: 1 }),
      bytes(outcome("timeout", "xai")),
      bytes({ ...outcome("timeout"), teller: "another" }),
      bytes(asReported(outcome("timeout"))),
      bytes({ ...eventOf({ kind: "integrity", cause: "bound_response_fails" }, 1), id: "a".repeat(65) }),
      bytes(eventOf({ kind: "integrity", cause: "nonce_reuse" }, 2)),
      bytes(eventOf({ kind: "calibration", score: 0 }, 3)),
      bytes(clearing("a")),
    ];
    for (const data of bad) stage.raw.connection.publish(subject, data);
    stage.raw.connection.publish(overrideSubject, bytes(outcome("timeout")));
    await send(stage, [outcome("ok")]);
    const state = await eventually(async () => {
      const now = await stage.settled();
      return now.stream.seq === bad.length + 2 ? now : undefined;
    }, LONG);
    expect([rowOf(state).samples, rowOf(state).w, trustIn(state, OPENAI).latch]).toEqual([1, 0, null]);
    expect(trustIn(state, "xai").tellers).toEqual({});
    expect(await scorer.metric("scbe_trust_events_total", { result: "bad" })).toBe(bad.length + 1);
    expect(await scorer.metric("scbe_trust_events_total", { result: "applied" })).toBe(1);
  });

  test("counts an event that arrives twice once", async () => {
    await using _scorer = await startScorer(stage.nats);
    const event = outcome("timeout");
    await send(stage, [event, outcome("timeout"), event, event]);
    expect(rowOf(await stage.settled())).toMatchObject({ samples: 2 });
  });
});

describe("an override that is delivered again", () => {
  const calibration = (score: number) => ({
    ...eventOf({ kind: "calibration", score }, 1),
    id: randomUUID(),
  });
  const numberOf = async (event: TrustEvent): Promise<number> => {
    const { data } = await stage.controller.request(overrideSubject, bytes(event), LONG);
    return JSON.parse(Buffer.from(data).toString("utf8")).seq;
  };

  test("is in the stream once, and its number is returned again", async () => {
    await using _scorer = await startScorer(stage.nats);
    const [first, second] = [calibration(0.25), calibration(0.75)];
    const numbers = [await numberOf(first), await numberOf(second)];
    expect([await numberOf(first), await numberOf(second)]).toEqual(numbers);
    expect((await stage.events.bounds()).last).toBe(2);
    expect(trustIn(await stage.settled(), OPENAI).calibration).toMatchObject({ score: 0.75 });
  });

  test("counts once, also after the stream has forgotten its id", async () => {
    await using _scorer = await startScorer(stage.nats);
    const overrides = Array.from({ length: 64 }, (_, n) => calibration(n / 64));
    // Without a message id, the stream stores each of them.
    for (const override of [...overrides, ...overrides.slice(0, 3)])
      stage.raw.connection.publish(overrideSubject, bytes(override));
    await stage.raw.connection.flush();
    await eventually(async () => (await stage.events.bounds()).last === 67, LONG);
    expect(trustIn(await stage.settled(), OPENAI).calibration).toMatchObject({ score: 63 / 64 });
  });
});

describe("a latch", () => {
  test("is set by a guard's report, survives a restart, and is ended by an operator's clearing alone", async () => {
    const first = await startScorer(stage.nats);
    const { id } = await report(OPENAI);
    expect(await latched()).toMatchObject({ cause: "nonce_reuse", event: id });
    await first[Symbol.asyncDispose]();
    await using second = await startScorer(stage.nats);
    await send(stage, [outcome("ok"), outcome("ok", "xai")]);
    expect(await latchOf()).toMatchObject({ event: id });
    expect(await second.metric("scbe_trust_latched", { provider: "openai" })).toBe(1);
    expect(await second.metric("scbe_trust_latched", { provider: "xai" })).toBe(0);
    await say(clearing("another-event"));
    expect(await latchOf()).toMatchObject({ event: id });
    await say(clearing(id));
    expect(await latchOf()).toBe(null);
  });

  test("that was cleared stays cleared when the report is copied again, as after a crash", async () => {
    const first = await startScorer(stage.nats);
    const { id } = await report(OPENAI);
    await latched();
    await say(clearing(id));
    expect(await latchOf()).toBe(null);
    await first[Symbol.asyncDispose]();
    const { value, revision } = await eventually(() => stage.bucket.get(KV_KEYS.trustRelay), LONG);
    const place = JSON.parse(Buffer.from(value).toString());
    await stage.bucket.update(KV_KEYS.trustRelay, bytes({ ...place, seq: 0 }), revision);
    await using _second = await startScorer(stage.nats);
    await eventually(async () => (await stage.events.bounds()).last === 3, LONG);
    expect(await latchOf()).toBe(null);
  });

  test("is set by a report of the time when no scorer ran", async () => {
    const { id } = await report(OPENAI);
    await using _scorer = await startScorer(stage.nats);
    expect(await latched()).toMatchObject({ event: id });
  });
});

test("no user can report a provider that is not its own, nor send as an operator or the scorer", async () => {
  await using gateway = await connectProbe({
    name: "gateway-openai",
    transport: stage.nats.transport("gateway-openai"),
  });
  await using orchestrator = await connectProbe({
    name: "orchestrator",
    transport: stage.nats.transport("orchestrator"),
  });
  const own = PROVIDERS.map((provider) => subjectOf("trustTell", { user: "orchestrator", provider }));
  const foreign = [
    subjectOf("trustTell", { user: "orchestrator", provider: "anthropic" }),
    subjectOf("trustTell", { user: "gateway-openai", provider: "openai" }),
    ...PROVIDERS.map((provider) => subjectOf("outcome", { user: "orchestrator", provider })),
    ...PROVIDERS.map((provider) => subjectOf("trustReuse", { provider })),
    ...[overrideSubject, SUBJECTS.trustState],
  ];
  expect(await orchestrator.refusedPublishes([...own, ...foreign])).toEqual(new Set(foreign));
  expect(await gateway.refusedPublishes([...own, ...foreign])).toEqual(new Set([...own, ...foreign]));
});
