import {
  BUCKETS,
  INTEGER_MAX,
  jcs,
  KV_KEYS,
  STREAMS,
  SUBJECTS,
  subjectOf,
  type TrustEvent,
  writeMessage,
} from "@scbe/contracts";
import { connectProbe, eventually } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LONG, PROVIDERS, type Stage, send, startScorer, startStage, storedAs } from "./scorer-stage.ts";
import { asReported, eventOf, idOf, OPENAI, rowOf, times } from "./trust-story.ts";

/** The effects on trust of an attacker with the credentials of one process. */
const USERS = [{ name: "only-openai", role: "orchestrator" as const, providers: [OPENAI] }];
let stage: Stage;
beforeEach(async () => {
  stage = await startStage({ users: USERS });
});
afterEach(() => stage?.[Symbol.asyncDispose]());

const bytes = (value: unknown) => writeMessage(value);
const as = (name: string) => connectProbe({ name, transport: stage.nats.transport(name) });
const timeout = (n: number, provider: string = OPENAI) =>
  eventOf({ kind: "outcome", result: "timeout" }, n, provider);

/** The document without the times of last reports. */
function undated(providers: object): unknown {
  return JSON.parse(JSON.stringify(providers, (key, value) => (key === "at" ? undefined : value)));
}

/** One event of each kind that would change trust, for each provider. */
const MOVING: readonly TrustEvent[] = PROVIDERS.flatMap((provider, n) => [
  timeout(n * 10 + 900, provider),
  eventOf({ kind: "integrity", cause: "bound_response_fails" }, n * 10 + 901, provider),
  eventOf({ kind: "integrity", cause: "nonce_reuse" }, n * 10 + 902, provider),
  eventOf({ kind: "calibration", score: 0 }, n * 10 + 903, provider),
  eventOf({ kind: "clearing", of: 1 }, n * 10 + 904, provider),
]);

test("with a gateway's credentials no message that changes trust can be published or stored: the server refuses it, and trust does not change", async () => {
  await using scorer = await startScorer(stage.nats);
  await send(stage, [eventOf({ kind: "integrity", cause: "bound_response_fails" }, 1), timeout(2)]);
  const before = await stage.settled();
  await using gateway = await as("gateway-openai");
  const stored = Object.values(KV_KEYS).map((key) => `$KV.${BUCKETS.trust}.${key}`);
  const broadcasts = [
    SUBJECTS.trustState,
    ...PROVIDERS.map((provider) => subjectOf("nonceReuse", { provider })),
  ];
  const streams = [STREAMS.trustEvents, STREAMS.security, `KV_${BUCKETS.trust}`];
  const verbs = ["CREATE", "UPDATE", "DELETE", "PURGE", "SNAPSHOT", "RESTORE", "MSG.GET", "MSG.DELETE"];
  const managed = streams.flatMap((stream) => [
    ...verbs.map((verb) => `$JS.API.STREAM.${verb}.${stream}`),
    ...[`$JS.API.CONSUMER.CREATE.${stream}`, `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.a`],
  ]);
  const described = [...streams, `KV_${BUCKETS.control}`].map((stream) => `$JS.API.STREAM.INFO.${stream}`);
  const subjects = [
    ...new Set([...MOVING.map(storedAs), ...stored, ...broadcasts, ...managed, ...described]),
  ];
  expect(await gateway.refusedPublishes(subjects)).toEqual(new Set(subjects));
  for (const event of MOVING) await gateway.publish(storedAs(event), bytes(event));
  await gateway.publish(SUBJECTS.trustState, bytes({ v: 1, stream: before.stream, providers: {} }));
  // The server sends replies with its own rights, so the reply subject of a permitted read can be any subject.
  const mayRead = [`$JS.API.DIRECT.GET.KV_${BUCKETS.trust}.$KV.${BUCKETS.trust}.${KV_KEYS.trust}`];
  for (const reply of [...stored, ...broadcasts, ...MOVING.map(storedAs)]) {
    for (const subject of [...mayRead, ...described]) await gateway.publish(subject, "", reply);
  }
  const { seq } = before.stream;
  expect((await stage.events.bounds()).last).toBe(seq);
  await send(stage, [eventOf({ kind: "outcome", result: "busy" }, 3)]);
  const after = await eventually(async () => {
    const state = await stage.settled();
    return state.stream.seq === seq + 1 ? state : undefined;
  }, LONG);
  expect(undated(after.providers)).toEqual(undated(before.providers));
  const documents = stage.documents.filter(({ stream }) => stream.seq >= seq);
  for (const { providers } of documents) expect(undated(providers)).toEqual(undated(before.providers));
  expect(scorer.host.readiness.ready).toBe(true);
});

test("an orchestrator for one provider changes the trust of no other, by its subject or by the content of its events", async () => {
  await using scorer = await startScorer(stage.nats);
  await send(stage, [timeout(1, "xai")]);
  const before = await stage.settled();
  await using orchestrator = await as("only-openai");
  const own = subjectOf("trustTell", { user: "only-openai", provider: OPENAI });
  const foreign = [...MOVING.map(storedAs), subjectOf("trustTell", { user: "only-openai", provider: "xai" })];
  expect(await orchestrator.refusedPublishes([own, ...foreign])).toEqual(new Set(foreign));
  const report = (...events: TrustEvent[]) =>
    orchestrator.request(own, jcs({ v: 1, events: events.map(asReported) }));
  for (const event of MOVING) await report(event);
  // An id that an event of the other provider has already, and one that it will have.
  await report({ ...timeout(1), at: 0 });
  await report(timeout(2));
  await send(stage, [timeout(2, "xai")]);
  const after = await eventually(async () => {
    const state = await stage.settled();
    return rowOf(state, "xai").samples === 2 ? state : undefined;
  }, LONG);
  expect(rowOf(after, "xai")).toMatchObject({
    ...rowOf(before, "xai"),
    samples: 2,
    w: 3.218,
    at: expect.any(Number),
  });
  const row = { samples: 3, latch: { event: idOf(901) } };
  expect(after.providers.openai?.tellers).toMatchObject({ "only-openai": row });
  expect(after.providers.openai).toMatchObject({ latch: null, calibration: null });
  expect(await scorer.metric("scbe_trust_events_total", { result: "bad" })).toBe(0);
});

test("a provider that is not configured is refused, whatever its name", async () => {
  await using scorer = await startScorer(stage.nats, { SCBE_PROVIDERS: [OPENAI] });
  await send(stage, [...times(6, 0).map((_, n) => timeout(n, "xai")), timeout(9)]);
  const { providers } = await eventually(async () => {
    const state = await stage.settled();
    return state.stream.seq === 7 ? state : undefined;
  }, LONG);
  expect(Object.keys(providers)).toEqual([OPENAI]);
  expect(await scorer.metric("scbe_trust_events_total", { result: "bad" })).toBe(6);
});

test("a sender's clock decides nothing, however absurd its time is", async () => {
  await using _scorer = await startScorer(stage.nats, { SCBE_TRUST_EXCLUSION_MS: 60_000 });
  const times = [0, INTEGER_MAX, 0, 253_402_300_800_000, 1];
  await send(
    stage,
    times.map((at, n) => ({ ...timeout(n), at })),
  );
  const { exclusion } = await eventually(async () => {
    const row = rowOf(await stage.settled());
    return row.samples > 0 && row;
  }, LONG);
  const now = Date.now();
  expect(Math.abs((exclusion?.since ?? 0) - now)).toBeLessThan(60_000);
  expect((exclusion?.until ?? 0) - (exclusion?.since ?? 0)).toBe(60_000);
});
