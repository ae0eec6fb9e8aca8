import { createServer } from "node:net";
import { readConfig } from "@scbe/service-kit";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { startConfig } from "../config.ts";
import { openFolder } from "../local-folder.ts";
import { type PresentServers, presentServers } from "./present-servers.ts";

/** Nothing is started here. */
const ANY = process.execPath;

let dir: TempDir;
let said: string;
beforeEach(() => {
  dir = createTempDir();
  said = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  dir[Symbol.dispose]();
});

function present(variables: Record<string, string>, own: NodeJS.ProcessEnv = {}): Promise<PresentServers> {
  const reading = readConfig(startConfig, { SCBE_NATS_SERVER: ANY, ...variables });
  if (!reading.ok) throw new Error(reading.problems.join("\n"));
  return presentServers({
    config: reading.config,
    folder: openFolder(dir.path),
    env: {},
    own,
    control: { url: () => "http://127.0.0.1:7100", tokenFiles: {} },
    jobs: () => [],
  });
}

const ALL = { SCBE_PROMETHEUS: ANY, SCBE_ALERTMANAGER: ANY, SCBE_JAEGER: ANY };

describe("what is missing", () => {
  test("is said, with the one command that brings it", async () => {
    const { jaeger, alertmanager, prometheus, otlpUrl } = await present({});
    expect([jaeger, alertmanager, prometheus, otlpUrl()]).toEqual(Array(4).fill(undefined));
    expect(said).toMatch(/Prometheus was not found.*; npm run get prometheus brings it\n/);
    expect(said).toMatch(/Alertmanager was not found.*; npm run get alertmanager brings it\n/);
    expect(said).toMatch(/Jaeger was not found.*; npm run get jaeger brings it\n/);
  });

  test("is not said of a Jaeger that nobody needs, since the user has a collector", async () => {
    const own = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };
    const { jaeger, otlpUrl } = await present({ ...ALL, SCBE_PROMETHEUS_PORT: "0" }, own);
    expect([jaeger, otlpUrl()]).toEqual([undefined, undefined]);
    expect(said).toMatch(/traces go where OTEL_EXPORTER_OTLP_\* says/);
  });
});

test("a port that is taken is said, and another one is picked; one that is free is used", async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  const address = holder.address();
  const taken = typeof address === "object" && address !== null ? String(address.port) : "";
  const free = { SCBE_ALERTMANAGER_PORT: "0", SCBE_JAEGER_OTLP_PORT: "0", SCBE_JAEGER_PORT: "0" };
  const { prometheus, jaeger, otlpUrl } = await present({ ...ALL, ...free, SCBE_PROMETHEUS_PORT: taken });
  expect(said).toBe(
    `scbe: port ${taken} of 127.0.0.1 (SCBE_PROMETHEUS_PORT) is taken: another one is picked\n`,
  );
  expect(prometheus?.url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d+$/);
  expect(prometheus?.url).not.toContain(taken);
  expect(new Set([prometheus?.url, jaeger?.url, otlpUrl()]).size).toBe(3);
  holder.close();
});
