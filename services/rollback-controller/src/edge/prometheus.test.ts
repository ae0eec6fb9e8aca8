import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { requireTool, startPrometheus } from "@scbe/testkit";
import { describe, expect, it } from "vitest";
import { prometheus } from "./prometheus.ts";

const timeoutMs = 5000;
const found = requireTool("prometheus");

describe.skipIf(!found.ok)("a real Prometheus", () => {
  it("answers with samples, scalars, nothing, and values that are not numbers", async () => {
    await using server = await startPrometheus({ config: "scrape_configs: []" });
    const { query } = prometheus(server.url);
    const one = (value: number) => ({ ok: true, samples: [{ labels: {}, value }] });
    expect(await query("vector(7)", { timeoutMs })).toEqual(one(7));
    expect(await query("1 / 0", { timeoutMs })).toEqual(one(Number.POSITIVE_INFINITY));
    expect(await query("-1 / 0", { timeoutMs })).toEqual(one(Number.NEGATIVE_INFINITY));
    expect(await query("vector(0) / 0", { timeoutMs })).toEqual(one(Number.NaN));
    expect(await query("not_there", { timeoutMs })).toEqual({ ok: true, samples: [] });
    expect(await query('label_replace(vector(1), "provider", "xai", "", "")', { timeoutMs })).toEqual({
      ok: true,
      samples: [{ labels: { provider: "xai" }, value: 1 }],
    });
  });

  it("evaluates at a given time", async () => {
    await using server = await startPrometheus({ config: "scrape_configs: []" });
    const result = await prometheus(server.url).query("time()", { timeoutMs, at: 1_700_000_000_500 });
    expect(result).toEqual({ ok: true, samples: [{ labels: {}, value: 1_700_000_000.5 }] });
  });

  it("reports the problem of an expression, and refuses one whose value is a range", async () => {
    await using server = await startPrometheus({ config: "scrape_configs: []" });
    const { query } = prometheus(`${server.url}/`);
    expect(await query("sum(", { timeoutMs })).toEqual({
      ok: false,
      reason: expect.stringContaining("parse error"),
    });
    expect(await query("up[5m]", { timeoutMs })).toMatchObject({ ok: false });
  });
});

describe("a faulty Prometheus", () => {
  const CASES: Record<string, [answer: RequestListener, reason: RegExp]> = {
    "says nothing": [() => undefined, /^no answer in 300 ms$/],
    "begins and does not end": [(_, response) => response.write("{"), /^no answer in 300 ms$/],
    "closes at once": [(request) => request.socket.destroy(), /./],
    "answers a page": [(_, response) => response.writeHead(502).end("<html>"), /unreadable.*502/],
    "leads elsewhere": [
      ({ url }, response) =>
        url === "/elsewhere"
          ? response.end('{"status":"success","data":{"resultType":"vector","result":[]}}')
          : response.writeHead(302, { location: "/elsewhere" }).end(),
      /redirect/,
    ],
    "answers without an end": [
      (_, response) => {
        const chunk = Buffer.alloc(1 << 20, " ");
        const send = () => void (!response.destroyed && response.write(chunk, send));
        send();
      },
      /more than 4194304 bytes|no answer/,
    ],
    "answers in part": [
      (_, response) =>
        response.end(
          '{"status":"success","warnings":["one store is away"],"data":{"resultType":"vector","result":[]}}',
        ),
      /warning: one store is away/,
    ],
  };
  it.each(Object.entries(CASES))("that %s fails, with a reason", async (_case, [answer, reason]) => {
    await using server = await serve(answer);
    const result = await prometheus(server.url).query("up", { timeoutMs: 300 });
    expect(result).toEqual({ ok: false, reason: expect.stringMatching(reason) });
  });

  it("gets the user and password of its address, which no reason shows", async () => {
    let seen: string | undefined;
    await using server = await serve((request, response) => {
      seen = request.headers.authorization;
      response.writeHead(401).end();
    });
    const url = server.url.replace("http://", "http://me:s%40cret@");
    const result = await prometheus(url).query("up", { timeoutMs });
    expect(seen).toBe(`Basic ${Buffer.from("me:s@cret").toString("base64")}`);
    expect(JSON.stringify(result)).not.toMatch(/s@cret|s%40cret/);
    await server[Symbol.asyncDispose]();
    expect(JSON.stringify(await prometheus(url).query("up", { timeoutMs }))).not.toMatch(/s@cret|s%40cret/);
  });
});

async function serve(answer: RequestListener): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
