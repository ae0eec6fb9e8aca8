import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { readConfig } from "@scbe/runtime";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { findServer, requireTool } from "../find-tool.ts";
import { candidatePort } from "../ports.ts";
import { Fleet } from "../supervisor.ts";
import { createTempDir, type TempDir } from "../temp-dir.ts";
import { startConfig } from "./config.ts";
import { type LocalFolder, openFolder } from "./local-folder.ts";
import { type MonitoringServers, monitoringServers } from "./monitoring.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

/** Nothing is started here. */
const ANY = process.execPath;

const { signal } = new AbortController();

let dir: TempDir;
let folder: LocalFolder;
let said: string;
beforeEach(() => {
  dir = createTempDir();
  folder = openFolder(dir.path, "local");
  said = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  folder[Symbol.dispose]();
  dir[Symbol.dispose]();
});

function present(
  variables: Record<string, string>,
  own: NodeJS.ProcessEnv = {},
  stack: { readonly folder: LocalFolder; readonly job?: string } = { folder },
): Promise<MonitoringServers> {
  const reading = readConfig(startConfig, { SCBE_NATS_SERVER: ANY, ...variables });
  if (!reading.ok) throw new Error(reading.problems.join("\n"));
  return monitoringServers({
    root: ROOT,
    config: reading.config,
    folder: stack.folder,
    env: {},
    own,
    control: { url: () => "http://127.0.0.1:7100", tokenFiles: {} },
    jobs: () => (stack.job === undefined ? [] : [{ job: stack.job, targets: ["127.0.0.1:9"] }]),
  });
}

const ALL = { SCBE_PROMETHEUS: ANY, SCBE_ALERTMANAGER: ANY, SCBE_JAEGER: ANY };

describe("a missing server", () => {
  test("is reported, with the command that brings it", async () => {
    const { jaeger, alertmanager, prometheus, otlpUrl } = await present({});
    expect([jaeger, alertmanager, prometheus, otlpUrl()]).toEqual(Array(4).fill(undefined));
    expect(said).toMatch(/Prometheus was not found.*; npm run get prometheus brings it\n/);
    expect(said).toMatch(/Alertmanager was not found.*; npm run get alertmanager brings it\n/);
    expect(said).toMatch(/Jaeger was not found.*; npm run get jaeger brings it\n/);
  });

  test("is not reported when it is Jaeger, and the user has a collector", async () => {
    const own = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };
    const { jaeger, otlpUrl } = await present({ ...ALL, SCBE_PROMETHEUS_PORT: "0" }, own);
    expect([jaeger, otlpUrl()]).toEqual([undefined, undefined]);
    expect(said).toMatch(/traces go where OTEL_EXPORTER_OTLP_\* says/);
  });
});

test("a port that is taken is reported before the server tries another one", async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  const address = holder.address();
  const taken = typeof address === "object" && address !== null ? String(address.port) : "";
  const free = { SCBE_ALERTMANAGER_PORT: "0", SCBE_JAEGER_OTLP_PORT: "0", SCBE_JAEGER_PORT: "0" };
  const { prometheus } = await present({ ...ALL, ...free, SCBE_PROMETHEUS_PORT: taken });
  expect(said).toBe(
    `scbe: port ${taken} of 127.0.0.1 (SCBE_PROMETHEUS_PORT) is taken: another one is tried\n`,
  );
  await prometheus?.program.command();
  expect(prometheus?.url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d+$/);
  expect(prometheus?.url).not.toContain(taken);
  holder.close();
});

const programs = {
  prometheus: requireTool("prometheus"),
  alertmanager: requireTool("alertmanager"),
};

test.skipIf(!programs.prometheus.ok || !programs.alertmanager.ok)(
  "several stacks that start at once and want the same port each reach their own Prometheus, with their own targets",
  async () => {
    const [prometheusFile, alertmanagerFile] = [findServer("prometheus"), findServer("alertmanager")];
    const variables = {
      ...{ SCBE_PROMETHEUS: prometheusFile, SCBE_ALERTMANAGER: alertmanagerFile },
      ...{ SCBE_PROMETHEUS_PORT: String(candidatePort()), SCBE_ALERTMANAGER_PORT: "0" },
    };
    await using fleet = new Fleet();
    const stacks = await Promise.all(
      ["one", "two", "three"].map(async (name) => {
        using own = openFolder(dir.path, name);
        const { prometheus, alertmanager } = await present(variables, {}, { folder: own, job: name });
        if (prometheus === undefined || alertmanager === undefined) throw new Error("a server is missing");
        await fleet.start([prometheus.program, alertmanager.program], 25_000, signal);
        await prometheus.update();
        return { name, prometheus, alertmanager };
      }),
    );
    for (const { name, prometheus, alertmanager } of stacks) {
      const answer = await (await fetch(`${prometheus.url}/api/v1/status/config`)).text();
      expect(answer).toContain(`job_name: ${name}\\n`);
      expect(answer).toContain(new URL(prometheus.url).host);
      expect(answer).toContain(new URL(alertmanager.url).host);
    }
    expect(new Set(stacks.flatMap((it) => [it.prometheus.url, it.alertmanager.url])).size).toBe(6);
  },
  60_000,
);
