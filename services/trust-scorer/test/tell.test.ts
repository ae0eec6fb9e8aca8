import { BUCKETS, KV_KEYS, SUBJECTS, subjectFor } from "@scbe/contracts";
import { connectProbe, eventually } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LONG, PROVIDERS, type Stage, startScorer, startStage } from "./scorer-stage.ts";
import { eventOf, idOf, OPENAI } from "./trust-story.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await startStage();
});
afterEach(() => stage?.[Symbol.asyncDispose]());

const timeout = (n: number, provider: string = OPENAI) =>
  eventOf({ kind: "outcome", result: "timeout" }, n, provider);

function tell(telling: unknown, provider: string = OPENAI) {
  const data = typeof telling === "string" ? telling : JSON.stringify(telling);
  const options = { timeoutMs: 10_000, traced: false };
  return stage.orchestrator.request(subjectFor("trustTell", provider), Buffer.from(data), options);
}

const isRefused = (text: RegExp) => ({ code: "BAD_REQUEST", message: expect.stringMatching(text) });

describe("what is told", () => {
  test("is stored in its order when the answer comes, and once however often it is told", async () => {
    await using _scorer = await startScorer(stage.nats);
    const events = Array.from({ length: 256 }, (_, n) => timeout(n));
    const answer = await tell({ v: 1, events });
    expect(answer.data).toHaveLength(0);
    const { last } = await stage.events.bounds();
    expect(last).toBe(256);
    const stored = await Promise.all([1, 128, 256].map((seq) => stage.events.get(seq)));
    expect(stored.map((it) => JSON.parse(Buffer.from(it?.data ?? []).toString()))).toEqual([
      timeout(0),
      timeout(127),
      timeout(255),
    ]);
    await tell({ v: 1, events });
    await tell({ v: 1, events: [timeout(1, "xai")] }, "xai");
    expect((await stage.events.bounds()).last).toBe(257);
  });

  test("counts when it may stand there, and is refused as a whole where it may not, with what is wrong", async () => {
    await using _scorer = await startScorer(stage.nats);
    const foreign = timeout(2, "xai");
    const word = eventOf({ kind: "calibration", score: 0 }, 3);
    const reuse = eventOf({ kind: "integrity", cause: "nonce_reuse" }, 4);
    const long = { ...eventOf({ kind: "integrity", cause: "bound_response_fails" }, 5), id: "a".repeat(65) };
    await expect(tell({ v: 1, events: [timeout(1), foreign] })).rejects.toMatchObject(
      isRefused(/^event 2 is not to be told of openai$/),
    );
    await expect(tell({ v: 1, events: [long] })).rejects.toMatchObject(isRefused(/^event 1 /));
    for (const wrong of ["junk", { v: 1, events: [] }, { v: 1, events: [word] }, { v: 1, events: [reuse] }])
      await expect(tell(wrong)).rejects.toMatchObject(isRefused(/^a telling is JSON/));
    const many = { v: 1, events: Array.from({ length: 257 }, (_, n) => timeout(n)) };
    await expect(tell(many)).rejects.toMatchObject(isRefused(/1 to 256 events/));
    await expect(tell(`"${"x".repeat(262_144)}"`)).rejects.toMatchObject(isRefused(/262144 bytes/));
    expect((await stage.events.bounds()).last).toBe(0);
  });

  test("is no answer to anybody but who has told it: an answer that is to go into a bucket or a stream is none", async () => {
    await using scorer = await startScorer(stage.nats);
    await using orchestrator = await connectProbe({
      name: "orchestrator",
      transport: stage.nats.transport("orchestrator"),
    });
    const telling = JSON.stringify({ v: 1, events: [timeout(1)] });
    const places = [
      ...Object.values(KV_KEYS).flatMap((key) =>
        Object.values(BUCKETS).map((bucket) => `$KV.${bucket}.${key}`),
      ),
      ...[SUBJECTS.trustWord, SUBJECTS.audit, SUBJECTS.trustState],
      ...PROVIDERS.map((provider) => subjectFor("nonceReuse", provider)),
    ];
    for (const reply of places) await orchestrator.publish(subjectFor("trustTell", OPENAI), telling, reply);
    await tell({ v: 1, events: [timeout(2)] });
    const state = await eventually(async () => {
      const now = await stage.settled();
      return now.stream.seq > 0 ? now : undefined;
    }, LONG);
    expect([state.stream.seq, state.recent.openai]).toEqual([1, [idOf(2)]]);
    expect(scorer.host.readiness.ready).toBe(true);
    expect(await scorer.metric("scbe_trust_events_total", { result: "bad" })).toBe(0);
  });
});

test("a scorer takes nothing of a provider that it was not told of", async () => {
  await using scorer = await startScorer(stage.nats, { SCBE_PROVIDERS: [OPENAI] });
  await expect(tell({ v: 1, events: [timeout(1, "xai")] }, "xai")).rejects.toMatchObject(
    isRefused(/this provider is not served/),
  );
  expect(scorer.host.readiness.ready).toBe(true);
});
