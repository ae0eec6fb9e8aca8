import { trustIn } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { expect, test } from "vitest";
import { appliedIn, LONG, launchScorer, PROVIDERS, replayOf, send, startStage } from "./scorer-stage.ts";
import { eventOf, rowOf } from "./trust-story.ts";

const EVENTS = 20_000;

/** Successes, too few failures for an exclusion, 1 % repeated, and one latch. A lost, doubled or reordered event changes the result. */
const story = Array.from({ length: EVENTS }, (_, n) => {
  const provider = PROVIDERS[n % PROVIDERS.length];
  if (n === 7001) return eventOf({ kind: "integrity", cause: "bound_response_fails" }, n, provider);
  const result = n % 499 === 0 ? "timeout" : "ok";
  return eventOf({ kind: "outcome", result }, n % 100 === 99 ? n - 20 : n, provider);
});

test("when the leader is killed among 20,000 events, the standby makes the state of one sequential reading", async () => {
  await using stage = await startStage();
  await using leader = await launchScorer(stage.nats);
  await eventually(() => leader.leads(), LONG);
  await using standby = await launchScorer(stage.nats);
  await standby.ready();
  const sending = (async () => {
    for (let at = 0; at < EVENTS; at += 250) await send(stage, story.slice(at, at + 250));
  })();
  await eventually(async () => (await appliedIn(stage)) > 2000, { ...LONG, everyMs: 1 });
  await leader.running.kill();
  const atKill = await appliedIn(stage);
  expect(atKill).toBeLessThan(EVENTS);
  await sending;
  await eventually(async () => (await appliedIn(stage)) === EVENTS, LONG);
  expect(await standby.leads()).toBe(true);
  const state = await stage.settled();
  expect(state).toEqual(await replayOf(stage));
  expect(trustIn(state, "xai").latch).toMatchObject({ cause: "bound_response_fails" });
  expect(rowOf(state).samples).toBeGreaterThan(EVENTS / 4);
}, 120_000);
