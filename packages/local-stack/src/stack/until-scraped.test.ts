import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { requireTool } from "../find-tool.ts";
import { closedPort } from "../ports.ts";
import { startPrometheus } from "../prometheus.ts";
import { untilScraped } from "./until-scraped.ts";

const prometheus = requireTool("prometheus");
const { signal } = new AbortController();

test.skipIf(!prometheus.ok)(
  "waits until every target was scraped, and reports those that were not in time",
  async () => {
    let isUp = false;
    const part = createServer((_request, response) => {
      response.writeHead(isUp ? 200 : 503).end("up_to_here 1\n");
    }).listen(0, "127.0.0.1");
    await once(part, "listening");
    const { port } = part.address() as AddressInfo;
    const config = `global: { scrape_interval: 100ms }
scrape_configs: [{ job_name: part, static_configs: [{ targets: ["127.0.0.1:${port}"] }] }]`;
    await using server = await startPrometheus({ config });
    const { url } = server;
    const [late] = await untilScraped({ url, targets: 1, timeoutMs: 7000, signal });
    expect(late).toMatch(new RegExp(`^part \\(127\\.0\\.0\\.1:${port}\\): .*503`));
    isUp = true;
    expect(await untilScraped({ url, targets: 1, timeoutMs: 10_000, signal })).toEqual([]);
    expect(await server.query("up_to_here")).toHaveLength(1);
    expect(await untilScraped({ url, targets: 2, timeoutMs: 0, signal })).toEqual([
      "it knows 1 of 2 targets",
    ]);
    part.closeAllConnections();
    part.close();
  },
);

test("a Prometheus that is gone is reported, and is no error", async () => {
  using closed = await closedPort();
  const url = `http://127.0.0.1:${closed.port}`;
  expect(await untilScraped({ url, targets: 1, timeoutMs: 0, signal })).toEqual([
    expect.stringMatching(/^Prometheus: /),
  ]);
});
