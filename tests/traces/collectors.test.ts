import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Client } from "@scbe/client";
import { startTracing } from "@scbe/service";
import {
  closedPort,
  createTempDir,
  eventually,
  type RunningProcess,
  receiveSpans,
  type SpanReceiver,
  type TempDir,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startExample, startExampleGateway, startExampleStandIn } from "../kit/example-program.ts";
import { type ServiceProcess, startServiceProcess } from "../kit/service-process.ts";
import { type System, startSystem } from "../kit/system.ts";

const PROVIDER = "openai";
const RECORDER = new URL("record-modules.ts", import.meta.url).href;
const EXAMPLES = readFileSync(new URL("../../examples/requests.jsonl", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line.includes(`"provider":"${PROVIDER}"`));

let system: System;
let standInUrl: string;
let standIn: RunningProcess;
let folder: TempDir;

/** The collector of this test's orchestrator. A gateway makes spans only of requests whose sender traces. */
let ownCollector: SpanReceiver;
let tracing: AsyncDisposable;

beforeAll(async () => {
  ownCollector = await receiveSpans();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", ownCollector.url);
  vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
  tracing = await startTracing({ name: "orchestrator", version: "0.0.0" });
  vi.unstubAllEnvs();
  folder = createTempDir();
  system = await startSystem({ providers: [PROVIDER], envelope: false });
  ({ running: standIn, url: standInUrl } = await startExampleStandIn(system));
});
afterAll(async () => {
  await tracing?.[Symbol.asyncDispose]();
  await ownCollector?.[Symbol.asyncDispose]();
  await standIn?.kill();
  await system?.[Symbol.asyncDispose]();
  folder?.[Symbol.dispose]();
});

type Env = Readonly<Record<string, string>>;

/** Every kind of process, started and at work. */
const PROGRAMS: [string, (env: Env) => Promise<AsyncDisposable>][] = [
  ["keyring", (env) => startService("keyring", { ...env, ...keyringFiles() })],
  ["replay-guard", (env) => startService("replay-guard", { ...env, REDIS_URL: system.redis?.url ?? "" })],
  ["envelope", (env) => startService("envelope", env)],
  ["gateway", (env) => startGateway(env)],
  ["orchestrator", (env) => orchestrate(env)],
];

function keyringFiles(): Env {
  const { usersFile } = system.nats.credentials;
  return { SCBE_USERS_FILE: usersFile, SCBE_KMS_KEY_FILE: system.kmsKeyFile };
}

async function startService(name: string, env: Env): Promise<ServiceProcess> {
  const own = { ...system.environment(name), ...env };
  const service = await startServiceProcess(name, `services/${name}/src/main.ts`, own);
  await service.ready();
  return service;
}

function startGateway(env: Env): Promise<RunningProcess> {
  return startExampleGateway(system, PROVIDER, { SCBE_STAND_IN_URL: standInUrl, SCBE_OPS_PORT: "0", ...env });
}

/** Runs the example orchestrator to its end. It sends requests even to a provider without a gateway. */
async function orchestrate(env: Env): Promise<RunningProcess> {
  const program = startExample(system, "orchestrator", {
    user: "orchestrator",
    env,
    args: ["--timeout-ms", "2000"],
  });
  await program.exited;
  return program;
}

describe.each(PROGRAMS)("a process (%s)", (name, start) => {
  const recordedWith = async (env: Env): Promise<string[]> => {
    const file = join(folder.path, `${name}-${crypto.randomUUID()}`);
    await using _program = await start({
      NODE_OPTIONS: `--import=${RECORDER}`,
      RECORD_MODULES_FILE: file,
      ...env,
    });
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  };

  test("without an endpoint for its traces does not load the SDK", async () => {
    expect(await recordedWith({ OTEL_TRACES_EXPORTER: "otlp" })).toEqual(["@opentelemetry/api"]);
  });

  test("with an endpoint loads the SDK", async () => {
    await using collector = await receiveSpans("refuse");
    expect(await recordedWith({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })).toContain(
      "@opentelemetry/sdk-node",
    );
  });
});

/** Processes export spans at once, with a time-out of one second. */
const HASTE = {
  OTEL_BSP_SCHEDULE_DELAY: "100",
  OTEL_EXPORTER_OTLP_TIMEOUT: "1000",
  OTEL_BSP_EXPORT_TIMEOUT: "1500",
};
const LOST = /"msg":"spans could not be delivered/g;

interface Collector extends AsyncDisposable {
  readonly url: string;
  /** The number of exports that it received. */
  readonly exports: number;
}

async function away(): Promise<Collector> {
  const closed = await closedPort();
  return {
    url: `http://127.0.0.1:${closed.port}`,
    exports: 0,
    [Symbol.asyncDispose]: async () => closed[Symbol.dispose](),
  };
}

describe.each<[string, () => Promise<Collector>]>([
  ["is away", away],
  ["refuses", () => receiveSpans("refuse")],
  ["hangs", () => receiveSpans("hang")],
])("with a collector that %s", (_case, collect) => {
  let collector: Collector;
  let env: Env;
  let gateway: RunningProcess;
  let guard: ServiceProcess;
  let orchestrator: Client;

  beforeAll(async () => {
    collector = await collect();
    env = { ...HASTE, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
    guard = await startService("replay-guard", { ...env, REDIS_URL: system.redis?.url ?? "" });
    gateway = await startGateway(env);
    orchestrator = await system.orchestrator();
  });
  afterAll(async () => {
    await orchestrator?.[Symbol.asyncDispose]();
    await gateway?.kill();
    await guard?.kill();
    await collector?.[Symbol.asyncDispose]();
  });

  const opsPort = (): string => /"opsPort":(\d+)/.exec(gateway.stdout)?.[1] ?? "";

  async function lostExports(): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${opsPort()}/metrics`)).text();
    return Number(/^scbe_trace_export_failures_total (\d+)$/m.exec(text)?.[1] ?? "NaN");
  }

  test("every request is answered", async () => {
    const [line = ""] = EXAMPLES;
    const { model, intent, body } = JSON.parse(line) as { model: string; intent: string; body: unknown };
    const request = { provider: PROVIDER, model, intent, body: Buffer.from(JSON.stringify(body)) };
    const answers = await Promise.all(Array.from({ length: 128 }, () => orchestrator.request(request)));
    expect(answers.map(({ envelopes }) => envelopes)).toEqual(answers.map(() => 1));
  });

  test("the metric counts the lost spans, and the log reports the loss once", async () => {
    const before = await lostExports();
    await orchestrator
      .request({ provider: PROVIDER, model: "m", intent: "chat", body: Buffer.from("no chat") })
      .catch(() => undefined);
    await eventually(async () => (await lostExports()) > Math.max(before, 1), {
      timeoutMs: 15_000,
      everyMs: 100,
    });
    expect(gateway.stdout.match(LOST)).toHaveLength(1);
    expect(gateway.stdout).not.toContain("the collector's own words");
  });

  test("a program ends after its requests without delay", async () => {
    const args = ["--json", "--requests", requestsFile()];
    const running = startExample(system, "orchestrator", { user: "orchestrator", env, args });
    expect([await running.exited, JSON.parse(running.stdout).ok]).toEqual([{ code: 0, signal: null }, true]);
  });

  test("the gateway and the service stop as usual", async () => {
    gateway.signal("SIGTERM");
    expect(await gateway.exited).toEqual({ code: 0, signal: null });
    expect(await guard.stop()).toBe(0);
  });
});

test("a collector that hangs without end keeps no process from ending", async () => {
  await using collector = await receiveSpans("hang");
  const patient = { OTEL_EXPORTER_OTLP_TIMEOUT: "600000", OTEL_BSP_EXPORT_TIMEOUT: "600000" };
  const env = { ...HASTE, ...patient, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  await using guard = await startService("replay-guard", { ...env, REDIS_URL: system.redis?.url ?? "" });
  await using gateway = await startGateway(env);
  const args = ["--json", "--requests", requestsFile()];
  await using program = startExample(system, "orchestrator", { user: "orchestrator", env, args });
  expect(await program.exited).toEqual({ code: 0, signal: null });
  await eventually(() => collector.exports > 1);
  gateway.signal("SIGTERM");
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
  expect(await guard.stop()).toBe(0);
});

function requestsFile(): string {
  const file = join(folder.path, `requests-${crypto.randomUUID()}.jsonl`);
  writeFileSync(file, EXAMPLES.join("\n"));
  return file;
}
