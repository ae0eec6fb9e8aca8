import { once } from "node:events";
import { connect } from "node:net";
import { counter, createReadiness, type Readiness } from "@scbe/runtime";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OpsServer, startOpsServer } from "./ops-server.ts";

describe("the ops port", () => {
  let readiness: Readiness;
  let metrics: Registry;
  let ops: OpsServer;
  const start = (port: number) => startOpsServer({ host: "127.0.0.1", port, metrics, readiness });
  const get = (path: string) => fetch(`http://127.0.0.1:${ops.port}${path}`);

  beforeEach(async () => {
    readiness = createReadiness();
    metrics = new Registry();
    ops = await start(0);
  });
  afterEach(() => ops[Symbol.asyncDispose]());

  it("answers /healthz while the event loop runs, whatever the dependencies do", async () => {
    readiness.declare("nats");
    const answer = await get("/healthz");
    expect([answer.status, await answer.json()]).toEqual([200, { status: "ok" }]);
  });

  it("lists on /readyz which dependencies are available, why not, and since when", async () => {
    readiness.set("nats", { ok: true });
    readiness.set("store", { ok: false, reason: "no answer" });
    const away = await get("/readyz");
    const since = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect([away.status, await away.json()]).toEqual([
      503,
      {
        ready: false,
        dependencies: [
          { name: "nats", ok: true, since },
          { name: "store", ok: false, reason: "no answer", since },
        ],
      },
    ]);
    readiness.set("store", { ok: true });
    const there = await get("/readyz");
    expect([there.status, await there.json()]).toMatchObject([200, { ready: true }]);
  });

  it("serves the registered metrics on /metrics, in Prometheus's own format", async () => {
    counter(metrics, "scbe_nats_reconnects_total").inc({}, 3);
    const answer = await get("/metrics");
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await answer.text()).toContain("\nscbe_nats_reconnects_total 3\n");
  });

  it("serves /metrics to the bearer of the token only, if there is one, and the rest to all", async () => {
    const token = "the-token-of-prometheus";
    await using guarded = await startOpsServer({
      host: "127.0.0.1",
      port: 0,
      metrics,
      readiness,
      metricsToken: token,
    });
    const request = (path: string, authorization?: string) =>
      fetch(`http://127.0.0.1:${guarded.port}${path}`, {
        headers: authorization === undefined ? {} : { authorization },
      });
    for (const wrong of [
      undefined,
      token,
      `Bearer ${token}x`,
      `Bearer ${token.slice(1)}`,
      `Basic ${token}`,
    ]) {
      const answer = await request("/metrics", wrong);
      expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="scbe"']);
      expect(await answer.json()).toEqual({
        code: "UNAUTHORIZED",
        title: expect.stringContaining("SCBE_METRICS_TOKEN"),
      });
    }
    expect((await request("/metrics", `Bearer ${token}`)).status).toBe(200);
    expect([(await request("/healthz")).status, (await request("/readyz")).status]).toEqual([200, 200]);
  });

  it("serves nothing else", async () => {
    expect((await get("/")).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${ops.port}/healthz`, { method: "POST" })).status).toBe(404);
  });

  it.each([
    ["sends nothing", ""],
    ["never ends its headers", "GET /healthz HTTP/1.1\r\nHost: x\r\n"],
    ["never sends its body", "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"],
  ])("closes a connection that %s", async (_case, bytes) => {
    await using strict = await startOpsServer({
      host: "127.0.0.1",
      port: 0,
      metrics,
      readiness,
      timeoutMs: 200,
    });
    const socket = connect(strict.port, "127.0.0.1").on("error", () => undefined);
    socket.resume().write(bytes);
    await once(socket, "close", { signal: AbortSignal.timeout(5000) });
  });

  it("limits the number of open connections", async () => {
    const held = Array.from({ length: 128 }, () => connect(ops.port, "127.0.0.1"));
    await Promise.all(held.map((socket) => once(socket, "connect")));
    const further = connect(ops.port, "127.0.0.1").on("error", () => undefined);
    await once(further.resume(), "close", { signal: AbortSignal.timeout(2000) });
    for (const socket of held) socket.destroy();
    await Promise.all(held.map((socket) => once(socket, "close")));
  });

  it("names the variable to set if the port is taken", async () => {
    await expect(start(ops.port)).rejects.toMatchObject({
      code: "CONFLICT",
      message: `ops port 127.0.0.1:${ops.port} is taken; set SCBE_OPS_PORT to a free one`,
    });
  });

  it("names the variables to check if the address is not one of this machine's", async () => {
    const elsewhere = startOpsServer({ host: "192.0.2.1", port: 0, metrics, readiness });
    await expect(elsewhere).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("SCBE_OPS_HOST"),
    });
  });
});
