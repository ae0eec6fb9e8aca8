import { fileURLToPath } from "node:url";
import type { Client, Gateway, Handler, ScbeError, ServeOptions } from "@scbe/client";
import { eventually, type RunningProcess, startProcess } from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import { type System, startSystem } from "../kit/system.ts";

/** A request that names several providers is served by exactly one of them, however the first one fails. */

let system: System;
let api: ControlApi;
let orchestrator: Client;
let openai: Client;
let anthropic: Client;
const metrics = new Registry();
/** The calls that the handlers of all providers saw, in order. */
const seen: { provider: string; model: string; id: string }[] = [];
const echo: Handler = ({ body, header }) => ({ body, contentType: header.content_type });
/** Runs until its call is aborted. */
const endless: Handler = ({ signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

beforeAll(async () => {
  system = await startSystem({ envelope: false, controller: true });
  api = new ControlApi(system);
  [openai, anthropic, orchestrator] = await Promise.all([
    system.gateway("openai"),
    system.gateway("anthropic"),
    system.orchestrator({ metrics }),
  ]);
  await serving("anthropic", echo);
});
afterAll(async () => {
  await Promise.all([orchestrator, openai, anthropic].map((client) => client?.[Symbol.asyncDispose]()));
  await system?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  seen.length = 0;
});
afterEach(async () => {
  await api.release({ provider: "openai" });
  await api.release({ provider: "anthropic" });
  await api.flags({ providers: { openai: { traffic_percentage: 100 } } });
});

/** A gateway that records the calls of its handler, until disposed. */
function serving(
  provider: "openai" | "anthropic",
  handler: Handler,
  options: Partial<ServeOptions> = {},
): Promise<Gateway> {
  const client = provider === "openai" ? openai : anthropic;
  return client.serve({
    provider,
    drainMs: 0,
    ...options,
    handler: (call) => {
      const { model, request_id: id } = call.header;
      seen.push({ provider, model, id });
      return handler(call);
    },
  });
}

const REQUEST = {
  providers: ["openai", { provider: "anthropic", model: "claude" }],
  model: "gpt-5",
  intent: "chat",
  body: Buffer.from("Grüß Gott"),
  contentType: "text/plain",
  timeoutMs: 20_000,
};

/** Sends a request that the second candidate serves. @returns why the first one did not, and the number of envelopes */
async function servedBySecond(change: { readonly attemptTimeoutMs?: number } = {}) {
  const answer = await orchestrator.request({ ...REQUEST, ...change });
  expect(Buffer.from(answer.body).toString()).toBe("Grüß Gott");
  expect(answer).toMatchObject({ provider: "anthropic", isSealed: true });
  expect(answer.header).toMatchObject({ provider: "anthropic", model: "claude" });
  expect(answer.passedOver).toHaveLength(1);
  expect(seen.at(-1)).toEqual({ provider: "anthropic", model: "claude", id: answer.requestId });
  const { code, envelopes } = answer.passedOver[0] ?? {};
  return { code, envelopes };
}

const providersSeen = (): string[] => seen.map(({ provider }) => provider);

describe("the second provider serves when the first one", () => {
  test("has no gateway", async () => {
    expect(await servedBySecond()).toEqual({ code: "NO_RESPONDERS", envelopes: 1 });
    expect(providersSeen()).toEqual(["anthropic"]);
  });

  test("is full", async () => {
    const started = Promise.withResolvers<void>();
    const free = Promise.withResolvers<void>();
    const handler: Handler = async (call) => {
      started.resolve();
      await free.promise;
      return echo(call);
    };
    await using _gateway = await serving("openai", handler, { concurrency: 1 });
    const first = orchestrator.request({ ...REQUEST, attemptTimeoutMs: 15_000 });
    await started.promise;
    expect(await servedBySecond()).toEqual({ code: "BUSY", envelopes: 3 });
    free.resolve();
    expect(await first).toMatchObject({ provider: "openai", passedOver: [] });
    expect(providersSeen()).toEqual(["openai", "anthropic"]);
  });

  test("fails, and both handlers see the same request id", async () => {
    await using _gateway = await serving("openai", () => Promise.reject(new Error("no credit left")));
    expect(await servedBySecond()).toEqual({ code: "HANDLER_FAILED", envelopes: 1 });
    expect(providersSeen()).toEqual(["openai", "anthropic"]);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(1);
  });

  test("refuses with noise", async () => {
    await using _gateway = await serving("openai", echo, { models: ["gpt-4"] });
    expect(await servedBySecond()).toEqual({ code: "REFUSED", envelopes: 1 });
    expect(providersSeen()).toEqual(["anthropic"]);
  });

  test("does not answer within its share of the time, and its handler is aborted", async () => {
    const ended = Promise.withResolvers<void>();
    const handler: Handler = (call) => {
      call.signal.addEventListener("abort", () => ended.resolve());
      return endless(call);
    };
    await using _gateway = await serving("openai", handler);
    expect(await servedBySecond({ attemptTimeoutMs: 2000 })).toEqual({ code: "TIMEOUT", envelopes: 1 });
    await ended.promise;
    expect(providersSeen()).toEqual(["openai", "anthropic"]);
  });

  test("is frozen, and its handler never sees the request after it resumes", async () => {
    await using frozen = await startShortGateway();
    frozen.process.pause();
    expect(await servedBySecond()).toEqual({ code: "TIMEOUT", envelopes: 3 });
    frozen.process.resume();
    await eventually(async () => (await frozen.opened()) === 3, { timeoutMs: 20_000 });
    expect(await frozen.handled()).toBe(0);
  });

  test("is killed by the kill switch, and gets no message", async () => {
    await using _gateway = await serving("openai", echo);
    await api.kill("integrity", { provider: "openai" });
    expect(await servedBySecond()).toEqual({ code: "SWITCHED_OFF", envelopes: 0 });
    expect(providersSeen()).toEqual(["anthropic"]);
  });

  test("is killed while its handler runs", async () => {
    const started = Promise.withResolvers<void>();
    const handler: Handler = (call) => {
      started.resolve();
      return endless(call);
    };
    await using _gateway = await serving("openai", handler);
    const served = servedBySecond();
    await started.promise;
    await api.kill("integrity", { provider: "openai" });
    expect(await served).toEqual({ code: "SWITCHED_OFF", envelopes: 1 });
    expect(providersSeen()).toEqual(["openai", "anthropic"]);
  });

  test("is flagged to 0 %", async () => {
    await using _gateway = await serving("openai", echo);
    await api.flags({ providers: { openai: { traffic_percentage: 0 } } });
    expect(await servedBySecond()).toEqual({ code: "SWITCHED_OFF", envelopes: 0 });
    expect(providersSeen()).toEqual(["anthropic"]);
  });
});

test("the first provider serves its share by the flags, and the second one serves the rest", async () => {
  await using _gateway = await serving("openai", echo);
  await api.flags({ providers: { openai: { traffic_percentage: 50 } } });
  const answers = await Promise.all(Array.from({ length: 40 }, () => orchestrator.request(REQUEST)));
  expect(new Set(answers.map(({ provider }) => provider))).toEqual(new Set(["openai", "anthropic"]));
  expect(seen).toHaveLength(40);
  const seenBy = new Map(seen.map(({ id, provider }) => [id, provider]));
  for (const { requestId, provider } of answers) expect(seenBy.get(requestId)).toBe(provider);
});

test("when all providers fail, the error names all, and the metrics count one request, under the last one", async () => {
  await using _gateway = await serving("openai", () => Promise.reject(new Error("no credit left")));
  await api.kill("integrity", { provider: "anthropic" });
  metrics.resetMetrics();
  const error = (await orchestrator.request(REQUEST).catch((it: unknown) => it)) as ScbeError;
  expect(error).toMatchObject({ code: "HANDLER_FAILED", requestId: seen[0]?.id });
  const { errors } = error.cause as AggregateError;
  expect(errors.map(({ code }: ScbeError) => code)).toEqual(["HANDLER_FAILED", "SWITCHED_OFF"]);
  expect(await counted()).toEqual([
    "scbe_request_envelopes_total provider=openai,landing=answered 1",
    "scbe_requests_total provider=anthropic,result=HANDLER_FAILED 1",
  ]);
});

test("one deadline holds for all providers together", async () => {
  await using _gateway = await serving("openai", endless);
  await api.kill("integrity", { provider: "anthropic" });
  const startedAt = performance.now();
  const failing = orchestrator.request({ ...REQUEST, timeoutMs: 1500 });
  await expect(failing).rejects.toMatchObject({ code: "TIMEOUT" });
  expect(performance.now() - startedAt).toBeGreaterThan(1490);
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});

/** The metrics of requests and envelopes. */
async function counted(): Promise<string[]> {
  const lines = (await metrics.metrics()).matchAll(
    /^(scbe_request(?:s|_envelopes)_total)\{(.*)\} ([1-9]\d*)$/gm,
  );
  return [...lines]
    .map(([, name, labels, value]) => `${name} ${labels?.replaceAll('"', "")} ${value}`)
    .sort();
}

interface ShortGateway extends AsyncDisposable {
  readonly process: RunningProcess;
  /** The number of requests that it opened, and that its handler got. */
  opened(): Promise<number>;
  handled(): Promise<number>;
}

/** Starts a gateway of openai as a process of its own. */
async function startShortGateway(): Promise<ShortGateway> {
  const file = fileURLToPath(new URL("../kit/short-gateway-program.ts", import.meta.url));
  const env = system.environment("gateway-openai");
  const running = startProcess(process.execPath, [file], { ipc: true, env });
  const [, port] = await running.output(/ops port (\d+)/, { timeoutMs: 20_000 });
  const read = async (lines: RegExp): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return [...text.matchAll(lines)].reduce((sum, [, value]) => sum + Number(value), 0);
  };
  return {
    process: running,
    opened: () => read(/^scbe_envelope_openings_total\{.*result="opened".*\} (\d+)$/gm),
    handled: () => read(/^scbe_gateway_handler_ms_count\{.*\} (\d+)$/gm),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
