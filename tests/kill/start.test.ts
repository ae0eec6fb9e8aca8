import { readFileSync, writeFileSync } from "node:fs";
import { connectBus } from "@scbe/bus";
import { BUCKETS, patternOf, QUEUES, SUBJECTS } from "@scbe/contracts";
import { collectLogs, connectRawStore, createTempDir, eventually } from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import { type System, startSystem } from "../kit/system.ts";
import { startTap, type Tap } from "../kit/tap.ts";
import { type ControlMetrics, controlMetricsOf, watchedVerifier } from "./watched-verifier.ts";

/** How a starting verifier gets the document that it obeys. */

const PATIENT = { timeoutMs: 20_000 };

const stack = new AsyncDisposableStack();
let system: System;
let api: ControlApi;
let tap: Tap;

beforeAll(async () => {
  system = stack.use(
    await startSystem({
      providers: ["openai"],
      controller: true,
      // Without JetStream a controller keeps leading, and answers lease requests, for two thirds of this time.
      variables: { SCBE_CONTROL_LEASE_MS: "1000", SCBE_CONTROL_LEADER_MS: "60000" },
      onNats: async (nats) => {
        tap = stack.use(await startTap(nats));
      },
    }),
  );
  api = new ControlApi(system);
});
afterAll(() => stack.disposeAsync());

test("a verifier that restarts with its state folder takes no older document from any source", async () => {
  using dir = createTempDir();
  const variables = { SCBE_STATE_DIR: dir.path };
  await api.kill("integrity");
  await api.release();
  const old = await newestHeard();
  await api.kill("integrity");
  const before = await watchedVerifier(system, "orchestrator", { variables });
  const generation = await before.generation();
  await before[Symbol.asyncDispose]();
  // No controller runs, the store has been rolled back, and the previous document is broadcast again.
  system.controller?.process.pause();
  {
    await using _store = await answerControlGets(old.data);
    await using forgetful = startVerifier();
    await using remembering = startVerifier(variables);
    await eventually(async () => (await forgetful.generation()) === old.generation, PATIENT);
    await eventually(async () => (await remembering.documents("old")) >= 1, PATIENT);
    await tap.publish(SUBJECTS.controlState, old.data);
    await eventually(async () => (await remembering.documents("old")) >= 2, PATIENT);
    expect(await remembering.generation()).toBe(0);
  }
  system.controller?.process.resume();
  await using again = await watchedVerifier(system, "orchestrator", { variables });
  expect(await again.generation()).toBeGreaterThanOrEqual(generation);
  expect(await again.isKilled()).toBe(true);
}, 60_000);

describe("a verifier that starts without JetStream gets its document from a lease, is ready, and obeys", () => {
  // This test is the last one: it restarts the server, which disconnects the tap.
  test("while core NATS runs and no account has JetStream", async () => {
    await api.kill("integrity");
    const away = await withoutJetStream();
    await using late = await watchedVerifier(system, "gateway-openai");
    expect(late.client.readiness.ready).toBe(true);
    expect(await late.isKilled()).toBe(true);
    expect(await late.generation()).toBe((await newestHeard()).generation);
    await away[Symbol.asyncDispose]();
    // The controller reconnects at some time.
    await eventually(() => api.release().then(() => true), PATIENT);
    expect(await late.isKilled()).toBe(false);
  });
});

/** A verifier that is not ready, since no controller runs. Disposing aborts its start. */
function startVerifier(variables: Readonly<Record<string, string>> = {}): ControlMetrics & AsyncDisposable {
  const metrics = new Registry();
  const giveUp = new AbortController();
  const { signal } = giveUp;
  const starting = watchedVerifier(system, "orchestrator", { variables, metrics, signal });
  const ended = starting.then(
    (verifier) => verifier[Symbol.asyncDispose](),
    () => undefined,
  );
  return {
    ...controlMetricsOf(metrics),
    [Symbol.asyncDispose]: async () => {
      giveUp.abort();
      await ended;
    },
  };
}

/** The document of the highest generation that was broadcast. */
async function newestHeard(): Promise<{ readonly data: Buffer; readonly generation: number }> {
  await tap.settle();
  const heard = tap.messages
    .filter(({ subject }) => subject === SUBJECTS.controlState)
    .map(({ data }) => ({ data, generation: generationOf(data) }))
    .sort((a, b) => b.generation - a.generation);
  if (heard[0] === undefined) throw new Error("no document was heard");
  return heard[0];
}

function generationOf(document: Buffer): number {
  const { payload } = JSON.parse(document.toString("utf8")) as { payload: string };
  return (JSON.parse(payload) as { generation: number }).generation;
}

/** Restarts the server without JetStream in any account. Disposing restarts it with the former configuration. */
async function withoutJetStream(): Promise<AsyncDisposable> {
  const { server, credentials } = system.nats;
  const config = readFileSync(credentials.configFile, "utf8");
  writeFileSync(
    credentials.configFile,
    config.replaceAll(/^ {4}jetstream \{.*\}$/gm, "    jetstream: disabled"),
  );
  expect(await hasJetStream()).toBe(true);
  await server.reload();
  await eventually(async () => !(await hasJetStream()), PATIENT);
  return {
    [Symbol.asyncDispose]: async () => {
      writeFileSync(credentials.configFile, config);
      await server.restart();
      await eventually(hasJetStream, PATIENT);
    },
  };
}

async function hasJetStream(): Promise<boolean> {
  await using raw = await connectRawStore(system.nats, "control");
  const manager = await raw.connection.jetstreamManager({ checkAPI: false });
  return await manager.streams.info(`KV_${BUCKETS.control}`).then(
    () => true,
    () => false,
  );
}

/** Answers requests for the control document, as the offline kill switch does. */
async function answerControlGets(document: Uint8Array): Promise<AsyncDisposable> {
  const transport = system.transport("operator");
  const bus = await connectBus({ ...transport, name: "operator", log: collectLogs().log });
  const onAsked = ({ reply }: { readonly reply: string | undefined }): void => {
    if (reply !== undefined) bus.publish(reply, document);
  };
  bus.subscribe(patternOf("controlGet"), onAsked, { queue: QUEUES.operator });
  await bus.flush();
  return bus;
}
