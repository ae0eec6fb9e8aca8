import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { isScbeError } from "@scbe/contracts";
import { decodeRequests } from "@scbe/examples/decode-requests";
import { type SentRequest, sendRequests } from "@scbe/examples/send-requests";
import { createTempDir, eventually, type RunningProcess } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startExample, startExampleGateway } from "../kit/example-program.ts";
import { type System, startSystem } from "../kit/system.ts";

const PROVIDERS = ["openai", "anthropic", "google"];
const EXAMPLES = new URL("../../examples/", import.meta.url);
const lines = readFileSync(new URL("requests.jsonl", EXAMPLES), "utf8").split("\n");
const linesOf = (provider: string) =>
  lines.filter((line) => line.includes(`"provider":"${provider}"`)).join("\n");

let system: System;
beforeAll(async () => {
  system = await startSystem({ providers: PROVIDERS, envelope: false, controller: true });
});
afterAll(() => system?.[Symbol.asyncDispose]());

async function all(sent: AsyncIterable<SentRequest>): Promise<SentRequest[]> {
  const rows: SentRequest[] = [];
  for await (const row of sent) rows.push(row);
  return rows;
}

function codeOf(asked: Promise<unknown>): Promise<string | undefined> {
  return asked.then(
    () => undefined,
    (error: unknown) => (isScbeError(error) ? error.code : undefined),
  );
}

const startGateway = (provider: string, env: Readonly<Record<string, string>>): Promise<RunningProcess> =>
  startExampleGateway(system, provider, env);

describe("orchestrator, gateways and stand-in, each a process of its own", () => {
  const stack = new AsyncDisposableStack();
  const standIn = { url: "" };
  beforeAll(async () => {
    const running = stack.use(startExample(system, "stand-in", { env: { SCBE_STAND_IN_PORT: "0" } }));
    standIn.url = (await running.output(/"url":"([^"]+)"/))[1] ?? "";
    for (const provider of ["openai", "anthropic"]) {
      stack.use(await startGateway(provider, { SCBE_STAND_IN_URL: standIn.url }));
    }
  });
  afterAll(() => stack.disposeAsync());

  /** Runs the orchestrator with the example requests to these providers. */
  async function orchestrate(providers: readonly string[], ...args: string[]) {
    using dir = createTempDir();
    const file = join(dir.path, "requests.jsonl");
    writeFileSync(file, providers.map(linesOf).join("\n"));
    const running = startExample(system, "orchestrator", {
      user: "orchestrator",
      args: ["--requests", file, ...args],
    });
    const { code } = await running.exited;
    return { code, stdout: running.stdout, stderr: running.stderr };
  }

  test("all requests are answered: exit code 0 and one document with a row each", async () => {
    const { code, stdout, stderr } = await orchestrate(["openai", "anthropic"], "--json");
    expect([code, stderr]).toEqual([0, ""]);
    const sent = decodeRequests(Buffer.from(`${linesOf("openai")}\n${linesOf("anthropic")}`));
    expect(JSON.parse(stdout)).toEqual({
      ok: true,
      requests: sent.map(({ id, provider, body }) => ({
        id,
        provider,
        bytes: body.length,
        seal_ms: expect.any(Number),
        round_trip_ms: expect.any(Number),
        verdict: "ok",
      })),
    });
  });

  test("a provider without a gateway: exit code 1, the table says which, and standard error why", async () => {
    const { code, stdout, stderr } = await orchestrate(["google"], "--timeout-ms", "3000");
    expect(code).toBe(1);
    expect(stdout).toMatch(/^request +provider +bytes/);
    expect(stdout).toMatch(/^google-3 +google +384 .* NO_RESPONDERS$/m);
    expect(stderr).toMatch(/google-3:\n {2}NO_RESPONDERS: /);
  });
});

describe("a gateway with a test server as its provider", () => {
  const KEY = "sk-swordfish-key";
  const requests = decodeRequests(Buffer.from(linesOf("openai"))).slice(0, 3);
  /** Not a chat body: the answer shows that a gateway still accepts requests. */
  const empty = { provider: "openai", model: "m", intent: "chat", body: Buffer.alloc(0), timeoutMs: 5000 };
  const completion = { choices: [{ message: { content: "Grüezi" }, finish_reason: "stop" }] };

  async function withProvider(listener: RequestListener) {
    const server = createServer(listener).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const gateway = await startGateway("openai", { SCBE_PROVIDER_URL_OPENAI: url, OPENAI_API_KEY: KEY });
    return {
      gateway,
      [Symbol.asyncDispose]: async () => {
        await gateway.kill();
        server.closeAllConnections();
        server.close();
      },
    };
  }

  test("answers all accepted requests at TERM, and exits with 0", async () => {
    const held: (() => void)[] = [];
    const taken = Promise.withResolvers<void>();
    await using provider = await withProvider((_request, response) => {
      held.push(() => response.end(JSON.stringify(completion)));
      if (held.length === requests.length) taken.resolve();
    });
    await using client = await system.orchestrator();
    const rows = all(sendRequests(client, requests));
    await taken.promise;
    provider.gateway.signal("SIGTERM");
    provider.gateway.signal("SIGINT");
    await eventually(async () => (await codeOf(client.request(empty))) === "NO_RESPONDERS");
    for (const release of held) release();
    expect((await rows).map(({ verdict }) => verdict)).toEqual(["ok", "ok", "ok"]);
    expect(await provider.gateway.exited).toEqual({ code: 0, signal: null });
  });

  test("sends its caller the code of a failure, and writes neither key nor body anywhere", async () => {
    const statuses = [401, 429, 500];
    await using provider = await withProvider((request, response) => {
      response.statusCode = statuses.shift() ?? 200;
      response.end(JSON.stringify({ error: request.headers.authorization }));
    });
    await using client = await system.orchestrator();
    const problems: string[] = [];
    const onProblem = (_id: string, error: unknown): void => void problems.push(String(error));
    const rows = await all(sendRequests(client, requests, { concurrency: 1, onProblem }));
    expect(rows.map(({ verdict }) => verdict)).toEqual(["HANDLER_FAILED", "BUSY", "HANDLER_FAILED"]);
    expect(problems[0]).toMatch(/does not accept the key in OPENAI_API_KEY/);
    await provider.gateway.output(/HTTP 500/);
    const everything = `${provider.gateway.stdout}${provider.gateway.stderr}${problems.join()}`;
    expect(everything).not.toContain(KEY);
    expect(everything).not.toContain("Zwölf");
  });
});
