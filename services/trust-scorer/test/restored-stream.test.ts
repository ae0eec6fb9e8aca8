import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { provision } from "@scbe/bus";
import { STORE_ACCOUNTS, STREAMS, type TrustEvent, trustIn } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import { connectRawStore, createTempDir, eventually } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { TrustState } from "../src/domain/trust-state.ts";
import { LONG, type Stage, send, startScorer, startStage } from "./scorer-stage.ts";
import { eventOf, OPENAI, rowOf, times } from "./trust-story.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await startStage();
});
afterEach(() => stage?.[Symbol.asyncDispose]());

let count = 0;
const failures = (many: number): TrustEvent[] =>
  times(many, 0).map(() => {
    count += 1;
    return eventOf({ kind: "outcome", result: "timeout" }, count);
  });
const latching = (n: number) => eventOf({ kind: "integrity", cause: "bound_response_fails" }, n);
const filesOfStream = () =>
  join(stage.nats.server.storeDir, "jetstream", "SCBE_DEV_TRUST", "streams", STREAMS.trustEvents);

const stateAt = (seq: number): Promise<TrustState> =>
  eventually(async () => {
    const state = await stage.settled();
    return state.stream.seq === seq ? state : undefined;
  }, LONG);

/** Changes the server's files while it is stopped; resolves when all clients are connected again. */
async function whileDown(change: () => void): Promise<void> {
  await stage.nats.server.kill();
  change();
  await stage.nats.server.restart();
  await eventually(() => stage.orchestrator.connected && stage.raw.connected && stage.store.connected, LONG);
}

test("a trust stream that was made anew is read from its first message, and trust is kept", async () => {
  await using scorer = await startScorer(stage.nats);
  await send(stage, [...failures(4), latching(1000)]);
  const before = await stage.settled();
  await whileDown(() => rmSync(filesOfStream(), { recursive: true }));
  expect(await scorer.troubled("has provisioning run?")).toContain("NOT_READY");
  const transports = STORE_ACCOUNTS.map((account) => stage.nats.storeTransport(account, "provision"));
  const again = { transports, log: createLogger(SILENT), env: "dev", replicas: 1 } as const;
  expect(await provision(again)).toMatchObject({ ok: true });
  await eventually(() => scorer.host.readiness.ready, LONG);
  await send(stage, failures(1));
  const after = await stateAt(1);
  expect(after.stream.created).not.toBe(before.stream.created);
  const { latch } = trustIn(before, OPENAI);
  expect(rowOf(after)).toMatchObject({ samples: 5, exclusions: 1 });
  expect(trustIn(after, OPENAI)).toMatchObject({ latch });
});

const SILENT = { name: "test", level: "silent" } as const;

test("a trust stream that was restored to an earlier state is read from its end: nothing counts twice, and the log shows it", async () => {
  using backup = createTempDir();
  await using scorer = await startScorer(stage.nats);
  await send(stage, failures(1));
  await stage.settled();
  await whileDown(() => cpSync(filesOfStream(), backup.path, { recursive: true }));
  await eventually(() => scorer.host.readiness.ready, LONG);
  await send(stage, [...failures(2), latching(1001)]);
  await stateAt(4);
  await whileDown(() => {
    rmSync(filesOfStream(), { recursive: true });
    cpSync(backup.path, filesOfStream(), { recursive: true });
  });
  await eventually(() => scorer.host.logs.text.includes("was it restored?"), LONG);
  await stateAt(1);
  await send(stage, failures(1));
  const after = await stateAt(2);
  expect(rowOf(after)).toMatchObject({ samples: 4, exclusions: 0 });
  expect(trustIn(after, OPENAI)).toMatchObject({ latch: { event: latching(1001).id } });
});

test("a stream whose last messages expired unread does not stop the scorer, and the log shows how many were lost", async () => {
  await using scorer = await startScorer(stage.nats);
  await send(stage, failures(1));
  await stage.settled();
  await scorer[Symbol.asyncDispose]();
  await send(stage, failures(3));
  await expire();
  await using next = await startScorer(stage.nats);
  await eventually(async () => (await next.metric("scbe_trust_stream_lag")) === 0, LONG);
  await stateAt(4);
  expect(next.host.logs.text).toContain('"lost":3');
});

/** Makes the stream's age limit drop all of its messages. */
async function expire(): Promise<void> {
  await using provisioning = await connectRawStore(stage.nats, "trust", "provision");
  const { connection } = provisioning;
  const info = (await connection.request(`$JS.API.STREAM.INFO.${STREAMS.trustEvents}`)).json<{
    config: object;
  }>();
  const config = { ...info.config, max_age: 100_000_000, duplicate_window: 100_000_000 };
  await connection.request(`$JS.API.STREAM.UPDATE.${STREAMS.trustEvents}`, JSON.stringify(config));
  await eventually(async () => (await stage.events.bounds()).messages === 0, LONG);
}
