import { eventually } from "@scbe/testkit";
import { expect, test } from "vitest";
import type { TrustState } from "../src/domain/trust-state.ts";
import { appliedIn, floodOf, send, startScorer, startStage } from "./scorer-stage.ts";
import { replay, rowOf, START } from "./trust-story.ts";

const LONGER = { timeoutMs: 90_000, everyMs: 100 };

test("a flood of 50,000 events of an orchestrator loses none: samples and evidence are those of a sequential replay", async () => {
  await using stage = await startStage();
  await using scorer = await startScorer(stage.nats);
  const story = floodOf(50_000);
  for (let at = 0; at < story.length; at += 1000) await send(stage, story.slice(at, at + 1000));
  await eventually(async () => (await appliedIn(stage)) === story.length, LONGER);
  const sequential = replay(story.map((event, n) => ({ seq: n + 1, at: START, event })));
  const settled = await stage.settled();
  expect(quality(settled)).toEqual(quality(sequential));
  expect(rowOf(settled).samples).toBeGreaterThan(30_000);
  expect(await scorer.metric("scbe_trust_events_total", { result: "applied" })).toBe(story.length);
}, 120_000);

/** Everything but the times, which the stream sets. */
function quality(state: TrustState) {
  return ["openai", "xai"].map((provider) => ({ ...rowOf(state, provider), at: 0 }));
}
