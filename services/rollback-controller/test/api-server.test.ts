import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { createCertificates, createTempDir, eventually } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROUTES } from "../src/api/routes.ts";
import type { ServerLimits } from "../src/api/server.ts";
import { ADMIN, ALERTS, EMERGENCY, startApi, type TestApi } from "./api-kit.ts";

const limited = (limits: Partial<ServerLimits>) => startApi({}, { limits });

/** The answer of a server to these bytes, until it hangs up or has answered once. */
async function raw(port: number, ...bytes: (string | Buffer)[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    answer += chunk;
    const [head = "", body = ""] = answer.split("\r\n\r\n");
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    if (/^HTTP/.test(head) && !/^HTTP\/1.1 100/.test(head) && Buffer.byteLength(body) >= length) resolve();
  });
  socket.on("close", () => resolve()).on("error", () => resolve());
  await once(socket, "connect");
  for (const chunk of bytes) socket.write(chunk);
  await promise;
  socket.destroy();
  return answer;
}

interface Answer {
  readonly status: number;
  readonly headers: string;
  // biome-ignore lint/suspicious/noExplicitAny: each test states the shape it expects
  readonly body: any;
}

function read(answer: string): Answer {
  const [headers = "", body = ""] = answer.split("\r\n\r\n");
  return { status: Number(headers.split(" ")[1]), headers, body: body === "" ? undefined : JSON.parse(body) };
}

const HEAD = "Host: localhost\r\n";
const get = (path: string, more = HEAD): string => `GET ${path} HTTP/1.1\r\n${more}\r\n`;
const authorized = (token: string): string => `${HEAD}Authorization: Bearer ${token}\r\n`;
const post = (path: string, body: string, more = authorized(ADMIN)): string =>
  `POST ${path} HTTP/1.1\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

describe("every refusal of the control API has {code, title}", () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startApi(
      {
        webhook: {
          refused: () => undefined,
          receive: async (stream) => {
            const body = await text(stream);
            if (body === "defect") throw new Error("a secret of ours");
            const [status, code] =
              body === "full" ? ([503, "NOT_READY"] as const) : ([400, "BAD_REQUEST"] as const);
            return { status, body: { code, title: "says the webhook" } };
          },
        },
      },
      { limits: { headersMs: 400, requestMs: 800 } },
    );
    api.plane.meanwhile = () => undefined;
  });
  afterAll(() => api[Symbol.asyncDispose]());

  const REFUSED: readonly [when: string, bytes: string | Buffer, status: number, code: string][] = [
    ["a path that is not there", get("/nothing"), 404, "NOT_FOUND"],
    ["a path that is not there, with a token", get("/nothing", authorized(ADMIN)), 404, "NOT_FOUND"],
    ["the ops port's paths", get("/metrics"), 404, "NOT_FOUND"],
    ["a target with a host in it", get("http://evil.example/health/scbe"), 400, "BAD_REQUEST"],
    ["a target that is no path", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "BAD_REQUEST"],
    [
      "another method",
      "DELETE /feature-flags HTTP/1.1\r\nHost: localhost\r\n\r\n",
      405,
      "METHOD_NOT_ALLOWED",
    ],
    ["OPTIONS", "OPTIONS /audit HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "METHOD_NOT_ALLOWED"],
    ["TRACE", "TRACE /audit HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "METHOD_NOT_ALLOWED"],
    ["PROPFIND", "PROPFIND /audit HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "METHOD_NOT_ALLOWED"],
    ["a post to the description", post("/openapi.json", "{}"), 405, "METHOD_NOT_ALLOWED"],
    [
      "CONNECT",
      "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
      405,
      "METHOD_NOT_ALLOWED",
    ],
    ["a malformed URL", get("/%zz"), 400, "BAD_REQUEST"],
    ["a malformed URL in a long path", get("/audit/%"), 400, "BAD_REQUEST"],
    ["a query that is wrong", get("/audit?limit=0", authorized(ADMIN)), 400, "BAD_REQUEST"],
    ["a body that is no JSON", post("/feature-flags", "{"), 400, "BAD_REQUEST"],
    ["no body", post("/feature-flags", ""), 400, "BAD_REQUEST"],
    ["bytes that are no HTTP", "\x16\x03\x01 what is this\r\n\r\n", 400, "BAD_REQUEST"],
    ["a method that is none", "BREW /audit HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "BAD_REQUEST"],
    ["HTTP/2 without its upgrade", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "BAD_REQUEST"],
    [
      "two lengths",
      `POST /feature-flags HTTP/1.1\r\n${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
      400,
      "BAD_REQUEST",
    ],
    [
      "a length and chunks",
      `POST /feature-flags HTTP/1.1\r\n${HEAD}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      "BAD_REQUEST",
    ],
    [
      "chunks that are none",
      `POST /feature-flags HTTP/1.1\r\n${authorized(ADMIN)}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
      400,
      "BAD_REQUEST",
    ],
    ["no Host", "GET /health/scbe HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST"],
    ["no Host in HTTP/1.0", "GET /health/scbe HTTP/1.0\r\n\r\n", 400, "BAD_REQUEST"],
    ["another's Host", get("/health/scbe", "Host: evil.example\r\n"), 421, "MISDIRECTED"],
    ["a malformed URL under another's Host", get("/%zz", "Host: evil.example\r\n"), 421, "MISDIRECTED"],
    ["no token", get("/audit"), 401, "UNAUTHORIZED"],
    ["an unknown token", get("/audit", authorized("none-of-these-tokens")), 401, "UNAUTHORIZED"],
    ["a token that may not", get("/audit", authorized(EMERGENCY)), 403, "FORBIDDEN"],
    [
      "an expectation",
      `POST /feature-flags HTTP/1.1\r\n${authorized(ADMIN)}Expect: a miracle\r\nContent-Length: 0\r\n\r\n`,
      417,
      "BAD_REQUEST",
    ],
    ["a body that is too large", post("/feature-flags", "x".repeat(70_000)), 413, "TOO_LARGE"],
    [
      "chunks that are too large",
      `POST /feature-flags HTTP/1.1\r\n${authorized(ADMIN)}Transfer-Encoding: chunked\r\n\r\n11170\r\n${"x".repeat(70_000)}\r\n0\r\n\r\n`,
      413,
      "TOO_LARGE",
    ],
    [
      "a header that is too large",
      get("/health/scbe", `${HEAD}X: ${"x".repeat(9000)}\r\n`),
      431,
      "TOO_LARGE",
    ],
    ["a path that is too large", get(`/${"x".repeat(9000)}`), 431, "TOO_LARGE"],
    [
      "a type of content that is none",
      post("/feature-flags", "{}", `${authorized(ADMIN)}Content-Type: ;;\r\n`),
      415,
      "BAD_REQUEST",
    ],
    [
      "a type of content of slashes",
      post("/feature-flags", "{}", `${authorized(ADMIN)}Content-Type: ${"/".repeat(3000)}\r\n`),
      415,
      "BAD_REQUEST",
    ],
    ["a header that never ends", `GET /health/scbe HTTP/1.1\r\n${HEAD}`, 408, "TIMEOUT"],
    ["nothing", "", 408, "TIMEOUT"],
    [
      "a body that never comes",
      `POST /feature-flags HTTP/1.1\r\n${authorized(ADMIN)}Content-Length: 9\r\n\r\n`,
      408,
      "TIMEOUT",
    ],
    [
      "what the webhook cannot read",
      post("/webhooks/alertmanager", "x", authorized(ALERTS)),
      400,
      "BAD_REQUEST",
    ],
    [
      "what the webhook has no room for",
      post("/webhooks/alertmanager", "full", authorized(ALERTS)),
      503,
      "NOT_READY",
    ],
    ["a defect", post("/webhooks/alertmanager", "defect", authorized(ALERTS)), 500, "INTERNAL"],
    ["what is away", get("/api/metrics/error-rate"), 503, "NOT_READY"],
  ];
  it.each(REFUSED)("%s", async (_, bytes, status, code) => {
    const answer = read(await raw(api.port, bytes));
    expect([answer.status, answer.body]).toEqual([
      status,
      expect.objectContaining({ code, title: expect.stringMatching(/./) }),
    ]);
    expect(answer.headers).toMatch(/content-type: application\/json/i);
    expect(JSON.stringify(answer.body)).not.toContain("secret");
  });

  it("also for a change that does not apply, and above a rate", async () => {
    await using other = await startApi();
    const body = { scbe_kill_switch: { enabled: true, reason: "x" } };
    await other.ask("/feature-flags", { token: ADMIN, body });
    other.plane.meanwhile = () => void other.plane.killNow({ cause: "integrity" }, { by: "x", reason: "y" });
    const release = { scbe_kill_switch: { enabled: false, reason: "x" } };
    const conflict = await other.ask("/feature-flags", { token: ADMIN, body: release });
    expect([conflict.status, conflict.body]).toMatchObject([409, { code: "CONFLICT", title: /./ }]);
    for (let tries = 0; tries < 600; tries += 1) await other.ask("/nothing");
    const busy = await other.ask("/health/scbe");
    expect([busy.status, busy.body]).toMatchObject([429, { code: "BUSY", title: /./ }]);
    expect(await other.metric('scbe_control_api_refused_total{status="404"}')).toBe(600);
    expect(await other.metric('scbe_control_api_refused_total{status="429"}')).toBe(1);
  });

  it("also for every route with another method, whose refusal names the accepted ones", async () => {
    for (const path of new Set(ROUTES.map((route) => route.path))) {
      // These routes exist only with their port.
      if (/^\/(canary|alerts)|trust/.test(path)) continue;
      const answer = read(await raw(api.port, `PUT ${path} HTTP/1.1\r\n${authorized(ADMIN)}\r\n`));
      expect([path, answer.status, answer.body.code]).toEqual([path, 405, "METHOD_NOT_ALLOWED"]);
      expect(answer.headers).toMatch(/allow: (GET|POST)/i);
    }
  });
});

describe("the Host of a request", () => {
  const asked = async (api: TestApi, ...hosts: string[]): Promise<number[]> => {
    const statuses: number[] = [];
    for (const host of hosts)
      statuses.push(read(await raw(api.port, get("/health/scbe", `Host: ${host}\r\n`))).status);
    return statuses;
  };

  it("may be a name of loopback in any case and with any port, and nothing else", async () => {
    await using api = await startApi();
    expect(
      await asked(api, "localhost", "LOCALHOST:1", "localhost.", "127.0.0.1:7100", "[::1]:7100"),
    ).toEqual([...Array(5).fill(200)]);
    const others = [
      "evil.example",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "10.0.0.1",
      "localhost@evil",
      "localhost/x",
      "",
    ];
    expect(await asked(api, ...others)).toEqual(others.map(() => 421));
  });

  it("may be a configured name, or the address at which the connection arrived", async () => {
    await using api = await startApi({}, { host: "0.0.0.0", hosts: ["api.company.com"] });
    expect(await asked(api, "api.company.com", "API.company.com:443", "127.0.0.1")).toEqual([200, 200, 200]);
    expect(await asked(api, "0.0.0.0", "company.com", "127.0.0.2")).toEqual([200, 421, 421]);
  });
});

describe("connections without a token", () => {
  /** That many connections with half a request sent. */
  async function halfSent(
    port: number,
    count: number,
  ): Promise<AsyncDisposable & { readonly sockets: Socket[] }> {
    const sockets = Array.from({ length: count }, () => {
      const socket = connect(port, "127.0.0.1")
        .on("error", () => undefined)
        .resume();
      socket.write("POST /feature-flags HTTP/1.1\r\nHost: localhost\r\nContent-Le");
      return socket;
    });
    await Promise.all(sockets.map((socket) => (socket.connecting ? once(socket, "connect") : undefined)));
    return {
      sockets,
      [Symbol.asyncDispose]: async () => {
        for (const socket of sockets) socket.destroy();
      },
    };
  }

  it("displace the oldest of their own, and never one with a token", async () => {
    await using api = await limited({ total: 40, peer: 20 });
    const kept = connect(api.port, "127.0.0.1").on("error", () => undefined);
    kept.write(get("/audit", authorized(ADMIN)));
    await once(kept, "data");
    await using strangers = await halfSent(api.port, 60);
    await eventually(() => strangers.sockets.filter(({ closed }) => closed).length === 40);
    expect(strangers.sockets.slice(40).every(({ closed }) => !closed)).toBe(true);
    expect(await api.metric('scbe_control_api_connections_closed_total{why="peer"}')).toBe(40);
    expect(await api.metric('scbe_control_api_connections{state="authenticated"}')).toBe(1);
    expect(await api.metric('scbe_control_api_connections{state="anonymous"}')).toBe(20);
    kept.write(get("/audit", authorized(ADMIN)));
    expect(String((await once(kept, "data"))[0])).toMatch(/^HTTP\/1.1 200/);
    kept.destroy();
  });

  it("are limited in total, and those of one token too: its oldest is closed", async () => {
    await using api = await limited({ total: 12, peer: 100, token: 4 });
    const holders: Socket[] = [];
    for (let n = 0; n < 6; n += 1) {
      const socket = connect(api.port, "127.0.0.1").on("error", () => undefined);
      socket.write(get("/audit", authorized(ADMIN)));
      await once(socket, "data");
      holders.push(socket);
    }
    await eventually(() => holders.filter(({ closed }) => closed).length === 2);
    expect(holders.map(({ closed }) => closed)).toEqual([true, true, false, false, false, false]);
    await using strangers = await halfSent(api.port, 20);
    await eventually(() => strangers.sockets.filter(({ closed }) => closed).length === 12);
    expect(holders.map(({ closed }) => closed)).toEqual([true, true, false, false, false, false]);
    expect(await api.metric('scbe_control_api_connections_closed_total{why="token"}')).toBe(2);
    expect(await api.metric('scbe_control_api_connections_closed_total{why="total"}')).toBe(12);
    for (const socket of holders) socket.destroy();
  });

  it("that send nothing, or never read, are closed in time", async () => {
    await using api = await limited({ headersMs: 300, requestMs: 600 });
    const silent = connect(api.port, "127.0.0.1")
      .on("error", () => undefined)
      .resume();
    await once(silent, "close", { signal: AbortSignal.timeout(5000) });
  });
});

describe("requests with a valid token", () => {
  it("are counted by that token, and not refused for requests without one from the same address", async () => {
    await using api = await startApi();
    for (let tries = 0; tries < 601; tries += 1) await api.ask("/health/scbe");
    expect((await api.ask("/health/scbe")).status).toBe(429);
    expect((await api.ask("/health/scbe", { token: EMERGENCY })).status).toBe(200);
    expect((await api.ask("/nothing", { token: EMERGENCY })).status).toBe(404);
    expect((await api.ask("/audit", { token: EMERGENCY })).status).toBe(403);
    for (let tries = 0; tries < 600; tries += 1) await api.ask("/health/scbe", { token: ADMIN });
    expect((await api.ask("/audit", { token: ADMIN })).status).toBe(429);
    expect((await api.ask("/health/scbe", { token: EMERGENCY })).status).toBe(200);
  });
});

describe("over TLS", () => {
  const serialOf = async (port: number, ca: string): Promise<string> => {
    const socket = connectTls({ port, host: "127.0.0.1", ca: readFileSync(ca), servername: "localhost" });
    await once(socket, "secureConnect");
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };

  it("connections are counted and limited as without, and a renewed certificate is used without a restart", async () => {
    using dir = createTempDir();
    using renewed = createTempDir();
    const files = createCertificates(dir.path);
    const tls = { certFile: files.serverCert, keyFile: files.serverKey };
    await using api = await startApi({}, { tls, limits: { total: 8, peer: 8 } });
    const open = () =>
      connectTls({
        port: api.port,
        host: "127.0.0.1",
        ca: readFileSync(files.ca),
        servername: "localhost",
      }).on("error", () => undefined);
    const kept = open();
    kept.write(get("/audit", authorized(ADMIN)));
    await once(kept, "data");
    expect(await api.metric('scbe_control_api_connections{state="authenticated"}')).toBe(1);
    const strangers = Array.from({ length: 20 }, open);
    await eventually(() => strangers.filter(({ closed }) => closed).length >= 12);
    kept.write(get("/audit", authorized(ADMIN)));
    expect(String((await once(kept, "data"))[0])).toMatch(/^HTTP\/1.1 200/);
    for (const socket of [kept, ...strangers]) socket.destroy();

    const first = await serialOf(api.port, files.ca);
    const next = createCertificates(renewed.path);
    writeFileSync(files.serverCert, readFileSync(next.serverCert));
    await eventually(() => api.logs.text.includes("the one before is in use"), { timeoutMs: 10_000 });
    expect(await serialOf(api.port, files.ca)).toBe(first);
    writeFileSync(files.serverKey, readFileSync(next.serverKey));
    await eventually(async () => (await serialOf(api.port, next.ca).catch(() => first)) !== first, {
      timeoutMs: 10_000,
    });
  });

  it("files that hold no certificate and its key are refused at the start", async () => {
    using dir = createTempDir();
    const files = createCertificates(dir.path);
    await expect(
      startApi({}, { tls: { certFile: files.serverCert, keyFile: files.clientKey } }),
    ).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringContaining("SCBE_CONTROL_API_TLS_KEY"),
    });
  });
});

it("the error for a taken port names the variable", async () => {
  await using api = await startApi();
  await expect(startApi({}, { port: api.port })).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("SCBE_CONTROL_API_PORT"),
  });
});
