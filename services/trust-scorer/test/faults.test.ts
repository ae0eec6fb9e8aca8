import { KV_KEYS } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { expect, test } from "vitest";
import { readTrust } from "../src/domain/trust-state.ts";
import {
  appliedIn,
  floodOf,
  LONG,
  launchScorer,
  replayOf,
  send,
  startScorer,
  startStage,
} from "./scorer-stage.ts";

test("a leader that is frozen while it writes overwrites nothing of its successor when it resumes, and nothing counts twice", async () => {
  await using stage = await startStage();
  await using one = await launchScorer(stage.nats);
  await eventually(() => one.leads(), LONG);
  await using other = await launchScorer(stage.nats);
  await other.ready();
  const stored: number[] = [];
  await using _watch = stage.bucket.watch(KV_KEYS.trustState, (entry) => {
    const state = entry && readTrust(entry.value);
    if (state !== undefined) stored.push(state.stream.seq);
  });
  let [leader, standby] = [one, other];
  const story = floodOf(4000);
  for (const part of [0, 1, 2, 3]) {
    const before = await appliedIn(stage);
    await send(stage, story.slice(part * 1000, part * 1000 + 1000));
    await eventually(async () => (await appliedIn(stage)) > before, { ...LONG, everyMs: 1 });
    leader.running.pause();
    await eventually(() => standby.leads(), LONG);
    await eventually(async () => (await appliedIn(stage)) === (part + 1) * 1000, LONG);
    leader.running.resume();
    await leader.ready();
    [leader, standby] = [standby, leader];
  }
  const state = await stage.settled();
  expect(state).toEqual(await replayOf(stage));
  for (const seqs of [stored, stage.documents.map(({ stream }) => stream.seq)]) {
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
  }
  expect(stored.length).toBeGreaterThan(4);
});

test("reports of the time when JetStream was frozen and killed count once when it is back, and readiness shows the outage", async () => {
  await using stage = await startStage();
  await using scorer = await startScorer(stage.nats);
  const story = floodOf(2000);
  const { server } = stage.nats;
  await send(stage, story.slice(0, 500));
  server.pause();
  const sent = send(stage, story.slice(500, 1000)).catch(() => undefined);
  await eventually(() => !scorer.host.readiness.ready, LONG);
  server.resume();
  await sent;
  await eventually(() => scorer.host.readiness.ready && stage.raw.connected, LONG);
  await send(stage, story.slice(1000, 1500));
  await server.kill();
  await eventually(() => !scorer.host.readiness.ready, LONG);
  await server.restart();
  await eventually(() => scorer.host.readiness.ready && stage.raw.connected, LONG);
  await send(stage, story.slice(1500));
  const { last } = await eventually(async () => {
    const bounds = await stage.events.bounds();
    return (await appliedIn(stage)) === bounds.last ? bounds : undefined;
  }, LONG);
  expect(last).toBeGreaterThanOrEqual(1500);
  expect(await stage.settled()).toEqual(await replayOf(stage));
});
