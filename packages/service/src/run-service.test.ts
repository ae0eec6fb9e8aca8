import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Bus } from "@scbe/bus";
import { connectBus } from "@scbe/bus";
import {
  closedPort,
  collectLogs,
  createTempDir,
  eventually,
  type NatsServer,
  type ProcessOptions,
  type RunningProcess,
  startNats,
  startProcess,
  startVersionProxy,
} from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";

const ECHO = fileURLToPath(new URL("../test/echo-service.ts", import.meta.url));
const NOTHING = new Uint8Array(0);

let nats: NatsServer;
let bus: Bus;
let running: RunningProcess | undefined;

function start(env: Record<string, string> = {}, options: Omit<ProcessOptions, "env"> = {}): RunningProcess {
  const variables = { NATS_URL: nats.url, SCBE_OPS_PORT: "0", ...env };
  running = startProcess(process.execPath, [ECHO], { bareEnv: true, ...options, env: variables });
  return running;
}

async function opsUrlOf(service: RunningProcess): Promise<string> {
  const [, port] = await service.output(/"opsPort":(\d+)/);
  return `http://127.0.0.1:${port}`;
}

const ask = () => bus.request("test.echo", NOTHING, { timeoutMs: 5000 });

beforeAll(async () => {
  nats = await startNats();
});
beforeEach(async () => {
  bus = await connectBus({ servers: [nats.url], name: "requester", log: collectLogs().log });
});
afterEach(async () => {
  await running?.kill();
  await bus[Symbol.asyncDispose]();
});
afterAll(() => nats[Symbol.asyncDispose]());

describe("a misconfigured process", () => {
  it("whose seed file holds no seed ends with 78 too, and prints neither its content nor a stack trace", async () => {
    using dir = createTempDir();
    const file = join(dir.path, "seed");
    writeFileSync(file, "SUAHUNTER2\n", { mode: 0o600 });
    const service = start({ NATS_NKEY_SEED_FILE: file });
    expect(await service.exited).toEqual({ code: 78, signal: null });
    expect(service.stdout).toContain(`cannot go on: ${file} holds no valid user seed`);
    expect(service.stdout).not.toMatch(/HUNTER2|\bat .*:\d+:\d+/);
  });

  it("reports all problems at once, and ends with 78 and no stack trace", async () => {
    const service = start({
      NATS_URL: "nats://user:hunter2@host:4222",
      SCBE_OPS_PORT: "99999",
      LOG_LEVEL: "loud",
      ECHO_DELAY_MS: "soon",
    });
    expect(await service.exited).toEqual({ code: 78, signal: null });
    expect(service.stderr.split("\n")).toEqual([
      "echo cannot start: 4 problems in its configuration",
      expect.stringMatching(/^ {2}NATS_URL: .* expected 1 to 32 items/),
      expect.stringMatching(/^ {2}LOG_LEVEL: "loud" is not one of them; expected one of fatal/),
      expect.stringMatching(
        /^ {2}SCBE_OPS_PORT: "99999" is out of bounds; expected an integer from 0 to 65535/,
      ),
      expect.stringMatching(/^ {2}ECHO_DELAY_MS: "soon" is not a decimal integer/),
      "",
    ]);
    expect(service.stdout).toBe("");
    expect(service.stderr).not.toMatch(/\bat .*:\d+:\d+/);
  });
});

describe("a process", () => {
  it("serves once it is ready, and appears in `nats micro ls` with version and description", async () => {
    const ops = await opsUrlOf(start());
    await eventually(async () => (await fetch(`${ops}/readyz`)).status === 200);
    await ask();
    const role = "operator";
    await using operator = await connectBus({
      servers: [nats.url],
      name: role,
      role,
      log: collectLogs().log,
    });
    const ping = await operator.request("$SRV.PING", NOTHING, { timeoutMs: 1000 });
    expect(JSON.parse(Buffer.from(ping.data).toString())).toMatchObject({ name: "echo", version: "1.2.3" });
    const info = await operator.request("$SRV.INFO.echo", NOTHING, { timeoutMs: 1000 });
    expect(JSON.parse(Buffer.from(info.data).toString())).toMatchObject({
      description: "answers what it was sent",
      version: "1.2.3",
    });
    expect(await (await fetch(`${ops}/metrics`)).text()).toContain("process_cpu_seconds_total");
  });

  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "answers 20 of 20 requests in flight after %s, and ends with 0",
    async (signal) => {
      const service = start({ ECHO_DELAY_MS: "300", LOG_LEVEL: "debug" });
      await service.output(/"started"/);
      await eventually(ask);
      const before = requestsHandledBy(service);
      const requests = Array.from({ length: 20 }, ask);
      await eventually(() => requestsHandledBy(service) === before + 20);
      service.signal(signal);
      service.signal(signal);
      expect(await Promise.all(requests)).toHaveLength(20);
      expect(await service.exited).toEqual({ code: 0, signal: null });
      await expect(ask()).rejects.toMatchObject({ code: "NO_RESPONDERS" });
    },
  );

  it("ends when its parent has ended", async () => {
    const service = start({}, { ipc: true });
    await service.output(/"started"/);
    service.child.disconnect();
    expect(await service.exited).toEqual({ code: 0, signal: null });
  });

  it("waits for NATS, healthy and not ready, and can be stopped meanwhile", async () => {
    using closed = await closedPort();
    const service = start({ NATS_URL: `nats://127.0.0.1:${closed.port}` });
    await service.output(/waiting for NATS/);
    const ops = await opsUrlOf(service);
    expect((await fetch(`${ops}/healthz`)).status).toBe(200);
    const ready = await fetch(`${ops}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({
      dependencies: [
        { name: "service", ok: false },
        { name: "nats", ok: false },
      ],
    });
    service.signal("SIGTERM");
    expect(await service.exited).toEqual({ code: 0, signal: null });
  });

  it("is not ready while NATS is away, stays alive, and serves again when it is back", async () => {
    await using own = await startNats();
    const service = start({ NATS_URL: own.url });
    const ops = await opsUrlOf(service);
    const status = async () => (await fetch(`${ops}/readyz`)).status;
    await eventually(async () => (await status()) === 200);
    await own.kill();
    await eventually(async () => (await status()) === 503);
    await own.restart();
    await eventually(async () => (await status()) === 200);
    const requester = await connectBus({ servers: [own.url], name: "requester", log: collectLogs().log });
    await eventually(() => requester.request("test.echo", NOTHING, { timeoutMs: 1000 }));
    await requester[Symbol.asyncDispose]();
  });

  describe("that connects to a server of an unsafe version", () => {
    const version = "2.12.5";
    const problem =
      "nats-server 2.12.5 lets every user publish anywhere (CVE-2026-33249); take 2.11.15, 2.12.6 or a later one";

    it("at its start ends with 78 and the versions to take", async () => {
      await using proxy = await startVersionProxy(nats.port);
      proxy.version = version;
      const service = start({ NATS_URL: proxy.url });
      expect(await service.exited).toEqual({ code: 78, signal: null });
      expect(service.stdout).toContain(`cannot go on: connect to NATS at ${proxy.url}: ${problem}`);
    });

    it("at a reconnect reports it on /readyz and once in its log, and serves again with a good server", async () => {
      await using proxy = await startVersionProxy(nats.port);
      const service = start({ NATS_URL: proxy.url });
      const ops = await opsUrlOf(service);
      await eventually(async () => (await fetch(`${ops}/readyz`)).status === 200);
      const before = proxy.connections;
      proxy.version = version;
      proxy.cut();
      await eventually(() => proxy.connections >= before + 4);
      const ready = await fetch(`${ops}/readyz`);
      expect(ready.status).toBe(503);
      expect(await ready.json()).toMatchObject({
        dependencies: [
          { name: "service", ok: true },
          { name: "nats", ok: false, reason: problem },
        ],
      });
      expect((await fetch(`${ops}/healthz`)).status).toBe(200);
      expect(service.stdout.split("CVE-2026-33249")).toHaveLength(2);

      proxy.version = undefined;
      await eventually(async () => (await fetch(`${ops}/readyz`)).status === 200);
      await eventually(ask);
    });
  });

  it("ends with 1 and the reason if its ops port is taken", async () => {
    const ops = await opsUrlOf(start());
    const first = running;
    const port = new URL(ops).port;
    const second = start({ SCBE_OPS_PORT: port });
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.stdout).toContain(`ops port 127.0.0.1:${port} is taken; set SCBE_OPS_PORT to a free one`);
    await first?.kill();
  });

  it("ends with 1 after an uncaught defect, and logs it", async () => {
    const service = start({ ECHO_DEFECT: "1" });
    expect(await service.exited).toEqual({ code: 1, signal: null });
    expect(service.stdout).toMatch(/"level":"fatal".*rejected without a handler.*an uncaught defect/);
  });
});

/** The service logs a line for each request that has reached its handler. */
function requestsHandledBy(service: RunningProcess): number {
  return service.stdout.match(/"msg":"request"/g)?.length ?? 0;
}
