import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { eventually } from "./eventually.ts";
import { requireTool } from "./find-tool.ts";
import { startPrometheus } from "./prometheus.ts";

const prometheus = requireTool("prometheus");

describe.skipIf(!prometheus.ok)("a Prometheus", () => {
  it("scrapes, evaluates expressions, and lists targets and alerts", async () => {
    await using target = await serveMetrics("up_to_here 7\n");
    await using server = await startPrometheus({ config: configFor(target.address), files: [RULES] });
    const sample = { labels: expect.objectContaining({ __name__: "up_to_here", job: "test" }), value: 7 };
    await eventually(async () => (await server.query("up_to_here")).length === 1, { timeoutMs: 10_000 });
    expect(await server.query("up_to_here")).toEqual([sample]);
    expect(await server.query("vector(1) / 0")).toEqual([{ labels: {}, value: Number.POSITIVE_INFINITY }]);
    expect(await server.query("0 / 0")).toEqual([{ labels: {}, value: Number.NaN }]);
    expect(await server.query("not_there")).toEqual([]);
    expect(await server.targets()).toMatchObject([{ labels: { job: "test" }, health: "up", lastError: "" }]);
    await eventually(async () => (await server.alerts()).length > 0, { timeoutMs: 10_000 });
    expect(await server.alerts()).toMatchObject([{ state: "firing", labels: { alertname: "Seven" } }]);
  });

  it("reports what is wrong with an expression, and with a configuration that it reloads", async () => {
    await using server = await startPrometheus({ config: "scrape_configs: []" });
    await expect(server.query("sum(")).rejects.toThrow(/parse error.*: sum\(/);
    await expect(server.query("[1m")).rejects.toThrow("parse error");
    await expect(server.reload({ config: "nonsense: true" })).rejects.toThrow(/nonsense/);
    await server.reload({ config: "rule_files: [rules.yml]", files: [RULES] });
  });

  it("that cannot start reports why", async () => {
    await expect(startPrometheus({ config: "nonsense: true" })).rejects.toThrow(
      /did not start[\s\S]*nonsense/,
    );
  });
});

const RULES = {
  path: "rules.yml",
  text: "groups: [{ name: one, rules: [{ alert: Seven, expr: up_to_here == 7 }] }]",
};

function configFor(address: string): string {
  return `global: { scrape_interval: 100ms, evaluation_interval: 100ms }
rule_files: [rules.yml]
scrape_configs: [{ job_name: test, static_configs: [{ targets: ["${address}"] }] }]`;
}

async function serveMetrics(text: string): Promise<AsyncDisposable & { readonly address: string }> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
