import { createReadiness, systemClock } from "@scbe/runtime";
import { createTestHost, eventually, startNats } from "@scbe/testkit";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { countExportFailures, processMetrics } from "./process-metrics.ts";

async function shownIn(metrics: Registry, name: string): Promise<number | undefined> {
  const line = new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "m").exec(await metrics.metrics());
  return line?.[1] === undefined ? undefined : Number(line[1]);
}

test("before it is connected a process shows its version, its dependencies, and that it is not connected", async () => {
  const metrics = new Registry();
  const readiness = createReadiness();
  readiness.declare("nats");
  await using _shown = processMetrics({
    metrics,
    name: "keyring",
    version: "1.2.3",
    readiness,
    clock: systemClock,
  });
  const text = await metrics.metrics();
  expect(text.split("\n").filter((line) => line.startsWith("scbe_"))).toEqual([
    "scbe_nats_reconnects_total 0",
    "scbe_trace_export_failures_total 0",
    'scbe_build_info{service="keyring",version="1.2.3"} 1',
    'scbe_dependency_up{dependency="nats"} 0',
    "scbe_nats_connected 0",
  ]);
});

test("the connection is shown as it is: up, with its round trip; away, without; and how often it came back", async () => {
  await using nats = await startNats();
  await using host = await createTestHost({ transport: { servers: [nats.url] }, name: "tested" });
  const { metrics } = host;
  const value = (name: string): Promise<number | undefined> => shownIn(metrics, name);
  expect(await value("scbe_nats_connected")).toBe(1);
  expect(await value("scbe_nats_rtt_ms")).toBeGreaterThan(0);
  await nats.kill();
  await eventually(async () => (await value("scbe_nats_connected")) === 0);
  expect(await value("scbe_nats_rtt_ms")).toBeUndefined();
  expect(await value("scbe_dependency_up")).toBe(0);
  expect(await value("scbe_nats_reconnects_total")).toBe(0);
  await nats.restart();
  await eventually(async () => (await value("scbe_nats_reconnects_total")) === 1, { timeoutMs: 10_000 });
  expect(await value("scbe_nats_connected")).toBe(1);
});

test("a server that does not answer keeps no scrape waiting: its round trip is not shown", async () => {
  await using nats = await startNats();
  await using host = await createTestHost({ transport: { servers: [nats.url] }, name: "tested" });
  nats.pause();
  try {
    expect(await shownIn(host.metrics, "scbe_nats_rtt_ms")).toBeUndefined();
  } finally {
    nats.resume();
  }
  await eventually(async () => (await shownIn(host.metrics, "scbe_nats_rtt_ms")) !== undefined);
});

test("traces that are lost are counted by whoever sends them", async () => {
  const metrics = new Registry();
  const onExportFailure = countExportFailures(metrics);
  onExportFailure();
  onExportFailure();
  expect(await shownIn(metrics, "scbe_trace_export_failures_total")).toBe(2);
});
