import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUCKETS, jcs, KV_KEYS, SUBJECTS, subjectOf } from "@scbe/contracts";
import { connectProbe, createTempDir, eventually } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { rememberedId } from "../src/domain/trust-state.ts";
import {
  LONG,
  overrideSubject,
  PROVIDERS,
  type Stage,
  send,
  startScorer,
  startStage,
} from "./scorer-stage.ts";
import { asReported, eventOf, idOf, OPENAI } from "./trust-story.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await startStage();
});
afterEach(() => stage?.[Symbol.asyncDispose]());

const stored = (n: number, provider: string = OPENAI) =>
  eventOf({ kind: "outcome", result: "timeout" }, n, provider);
const timeout = (n: number, provider: string = OPENAI) => asReported(stored(n, provider));

function sendReport(report: unknown, provider: string = OPENAI) {
  const data = typeof report === "string" ? report : jcs(report);
  const options = { timeoutMs: 10_000, traced: false };
  return stage.orchestrator.request(
    subjectOf("trustTell", { user: "orchestrator", provider }),
    Buffer.from(data),
    options,
  );
}

const isRefused = (text: RegExp) => ({ code: "BAD_REQUEST", message: expect.stringMatching(text) });

describe("an outcome report", () => {
  test("is stored in its order before the answer, and once however often it is sent", async () => {
    await using _scorer = await startScorer(stage.nats);
    const events = Array.from({ length: 256 }, (_, n) => timeout(n));
    const answer = await sendReport({ v: 1, events });
    expect(JSON.parse(Buffer.from(answer.data).toString())).toEqual({ v: 1, seq: 256 });
    const { last } = await stage.events.bounds();
    expect(last).toBe(256);
    const messages = await Promise.all([1, 128, 256].map((seq) => stage.events.get(seq)));
    expect(messages.map((it) => JSON.parse(Buffer.from(it?.data ?? []).toString()))).toEqual([
      stored(0),
      stored(127),
      stored(255),
    ]);
    const again = await sendReport({ v: 1, events });
    expect(JSON.parse(Buffer.from(again.data).toString())).toEqual({ v: 1, seq: 256 });
    await sendReport({ v: 1, events: [timeout(1, "xai")] }, "xai");
    expect((await stage.events.bounds()).last).toBe(257);
  });

  test("counts when it is valid, and is refused as a whole when it is not, with the reason", async () => {
    await using _scorer = await startScorer(stage.nats);
    const foreign = timeout(2, "xai");
    const override = eventOf({ kind: "calibration", score: 0 }, 3);
    const reuse = eventOf({ kind: "integrity", cause: "nonce_reuse" }, 4);
    const integrity = asReported(eventOf({ kind: "integrity", cause: "bound_response_fails" }, 5));
    const long = { ...(integrity as object), id: "a".repeat(65) };
    const foreignTeller = { ...(timeout(6) as object), teller: "another" };
    await expect(sendReport({ v: 1, events: [timeout(1), foreign] })).rejects.toMatchObject(
      isRefused(/^event 2 is not of the provider openai$/),
    );
    const lists = [[], [override], [reuse], [long], [foreignTeller]];
    for (const wrong of ["junk", ...lists.map((events) => ({ v: 1, events }))])
      await expect(sendReport(wrong)).rejects.toMatchObject(
        isRefused(/^an outcome report is canonical JSON/),
      );
    const many = { v: 1, events: Array.from({ length: 257 }, (_, n) => timeout(n)) };
    await expect(sendReport(many)).rejects.toMatchObject(isRefused(/1 to 256 events/));
    await expect(sendReport(`"${"x".repeat(262_144)}"`)).rejects.toMatchObject(isRefused(/262144 bytes/));
    expect((await stage.events.bounds()).last).toBe(0);
  });

  test("is answered to its sender alone, never into a bucket or a stream", async () => {
    await using scorer = await startScorer(stage.nats);
    await using orchestrator = await connectProbe({
      name: "orchestrator",
      transport: stage.nats.transport("orchestrator"),
    });
    const report = jcs({ v: 1, events: [timeout(1)] });
    const places = [
      ...Object.values(KV_KEYS).flatMap((key) =>
        Object.values(BUCKETS).map((bucket) => `$KV.${bucket}.${key}`),
      ),
      ...[overrideSubject, SUBJECTS.audit, SUBJECTS.trustState],
      ...PROVIDERS.map((provider) => subjectOf("nonceReuse", { provider })),
    ];
    for (const reply of places)
      await orchestrator.publish(
        subjectOf("trustTell", { user: "orchestrator", provider: OPENAI }),
        report,
        reply,
      );
    await sendReport({ v: 1, events: [timeout(2)] });
    const state = await eventually(async () => {
      const now = await stage.settled();
      return now.stream.seq > 0 ? now : undefined;
    }, LONG);
    expect([state.stream.seq, state.recent["orchestrator/openai"]]).toEqual([1, [rememberedId(idOf(2))]]);
    expect(scorer.host.readiness.ready).toBe(true);
    expect(await scorer.metric("scbe_trust_events_total", { result: "bad" })).toBe(0);
  });
});

test("an event is stored with the user that sends it, and one id of two tellers is two events", async () => {
  await stage[Symbol.asyncDispose]();
  stage = await startStage({ users: [{ name: "batch", role: "orchestrator", providers: [OPENAI] }] });
  await using _scorer = await startScorer(stage.nats);
  await using batch = await connectProbe({ name: "batch", transport: stage.nats.transport("batch") });
  await sendReport({ v: 1, events: [timeout(1)] });
  const own = subjectOf("trustTell", { user: "batch", provider: OPENAI });
  await batch.request(own, jcs({ v: 1, events: [timeout(1)] }));
  const foreign = subjectOf("trustTell", { user: "orchestrator", provider: OPENAI });
  expect(await batch.refusedPublishes([foreign])).toEqual(new Set([foreign]));
  const messages = await Promise.all([1, 2].map((seq) => stage.events.get(seq)));
  expect(messages.map((it) => JSON.parse(Buffer.from(it?.data ?? []).toString()).teller)).toEqual([
    "orchestrator",
    "batch",
  ]);
  const { tellers, quorum } = await eventually(async () => {
    const { providers } = await stage.settled();
    return Object.keys(providers[OPENAI]?.tellers ?? {}).length === 2 ? providers[OPENAI] : undefined;
  }, LONG);
  expect(quorum).toEqual({ needs: 2, of: 2 });
  expect([tellers.orchestrator?.samples, tellers.batch?.samples]).toEqual([1, 1]);
});

test("reports of a user that is not on the list are refused, and its earlier ones make no row", async () => {
  using dir = createTempDir();
  const usersFile = join(dir.path, "users.json");
  const users = JSON.parse(readFileSync(stage.nats.credentials.usersFile, "utf8")) as { name: string }[];
  writeFileSync(
    usersFile,
    jcs(users.map((user) => (user.name === "orchestrator" ? { ...user, name: "successor" } : user))),
  );
  await send(stage, [stored(1)]);
  await using scorer = await startScorer(stage.nats, { SCBE_USERS_FILE: usersFile });
  await expect(sendReport({ v: 1, events: [timeout(2)] })).rejects.toMatchObject({ code: "NOT_READY" });
  const state = await stage.settled();
  expect([state.stream.seq, state.providers[OPENAI]?.tellers]).toEqual([1, {}]);
  expect(await scorer.metric("scbe_trust_events_total", { result: "bad" })).toBe(1);
});

test("a scorer refuses reports of a provider that is not configured", async () => {
  await using scorer = await startScorer(stage.nats, { SCBE_PROVIDERS: [OPENAI] });
  await expect(sendReport({ v: 1, events: [timeout(1, "xai")] }, "xai")).rejects.toMatchObject(
    isRefused(/this provider is not served/),
  );
  expect(scorer.host.readiness.ready).toBe(true);
});
