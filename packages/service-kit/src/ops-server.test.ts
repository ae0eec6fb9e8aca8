import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { counter } from "./metrics/counter.ts";
import { Registry } from "./metrics/registry.ts";
import { type OpsServer, startOpsServer } from "./ops-server.ts";
import { createReadiness, type Readiness } from "./readiness.ts";

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

  it("says on /healthz that the event loop runs, whatever dependencies do", async () => {
    readiness.declare("nats");
    const answer = await get("/healthz");
    expect([answer.status, await answer.json()]).toEqual([200, { status: "ok" }]);
  });

  it("says on /readyz what is there and what is not, why, and since when", async () => {
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

  it("shows on /metrics what is registered, in Prometheus's own format", async () => {
    counter(metrics, "scbe_nats_reconnects_total").inc({}, 3);
    const answer = await get("/metrics");
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await answer.text()).toContain("\nscbe_nats_reconnects_total 3\n");
  });

  it("has nothing else", async () => {
    expect((await get("/")).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${ops.port}/healthz`, { method: "POST" })).status).toBe(404);
  });

  it.each([
    ["says nothing", ""],
    ["never ends its headers", "GET /healthz HTTP/1.1\r\nHost: x\r\n"],
    ["never sends its body", "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"],
  ])("hangs up on who %s", async (_case, said) => {
    await using impatient = await startOpsServer({
      host: "127.0.0.1",
      port: 0,
      metrics,
      readiness,
      patienceMs: 200,
    });
    const socket = connect(impatient.port, "127.0.0.1").on("error", () => undefined);
    socket.resume().write(said);
    await once(socket, "close", { signal: AbortSignal.timeout(5000) });
  });

  it("takes so many connections, and no further one while they are held", async () => {
    const held = Array.from({ length: 128 }, () => connect(ops.port, "127.0.0.1"));
    await Promise.all(held.map((socket) => once(socket, "connect")));
    const further = connect(ops.port, "127.0.0.1").on("error", () => undefined);
    await once(further.resume(), "close", { signal: AbortSignal.timeout(2000) });
    for (const socket of held) socket.destroy();
    await Promise.all(held.map((socket) => once(socket, "close")));
  });

  it("says which variable to set when it is taken", async () => {
    await expect(start(ops.port)).rejects.toMatchObject({
      code: "CONFLICT",
      message: `ops port 127.0.0.1:${ops.port} is taken; set SCBE_OPS_PORT to a free one`,
    });
  });

  it("says which variables to look at when its address is none of this machine's", async () => {
    const elsewhere = startOpsServer({ host: "192.0.2.1", port: 0, metrics, readiness });
    await expect(elsewhere).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("SCBE_OPS_HOST"),
    });
  });
});

describe("further routes on the ops port", () => {
  const readiness = createReadiness();
  let ops: OpsServer;
  beforeEach(async () => {
    ops = await startOpsServer({ host: "127.0.0.1", port: 0, metrics: new Registry(), readiness });
  });
  afterEach(() => ops[Symbol.asyncDispose]());
  const ask = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`http://127.0.0.1:${ops.port}${path}`, init);
    return [answer.status, await answer.text()];
  };
  const routes = (server: Parameters<Parameters<OpsServer["mount"]>[0]>[0]) => {
    server.get("/flags", () => "flags");
    server.get("/healthz", () => "not this one");
    server.post("/flags", { bodyLimit: 4096 }, ({ body }) => `${JSON.stringify(body).length}`);
    server.post("/short", () => "short");
  };

  it("are served from when they are mounted until they are disposed of", async () => {
    expect(await ask("/flags")).toMatchObject([404, expect.anything()]);
    const mounted = await ops.mount(routes);
    expect(await ask("/flags?all")).toEqual([200, "flags"]);
    await mounted[Symbol.asyncDispose]();
    expect(await ask("/flags")).toMatchObject([404, expect.anything()]);
    await using _again = await ops.mount(routes);
    expect(await ask("/flags")).toEqual([200, "flags"]);
  });

  it("take no place of its own, and come once", async () => {
    await using _mounted = await ops.mount(routes);
    expect(await ask("/healthz?x")).toEqual([200, '{"status":"ok"}']);
    expect(await ask("/nothing")).toMatchObject([404, expect.anything()]);
    await expect(ops.mount(routes)).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("take bodies as long as each says, and short ones unless it says", async () => {
    await using _mounted = await ops.mount(routes);
    const post = (path: string, length: number) =>
      ask(path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify("x".repeat(length)),
      });
    expect(await post("/flags", 2000)).toEqual([200, "2002"]);
    expect(await post("/flags", 5000)).toMatchObject([413, expect.anything()]);
    expect(await post("/short", 2000)).toMatchObject([413, expect.anything()]);
  });
});
