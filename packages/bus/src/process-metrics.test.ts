import { HEADERS } from "@scbe/contracts";
import { createReadiness, systemClock } from "@scbe/runtime";
import { createTestHost, eventually, startNats } from "@scbe/testkit";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { ClockOffset, countExportFailures, processMetrics } from "./process-metrics.ts";

async function valueIn(metrics: Registry, name: string): Promise<number | undefined> {
  const line = new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "m").exec(await metrics.metrics());
  return line?.[1] === undefined ? undefined : Number(line[1]);
}

test("a process that is not connected yet reports its version, its dependencies, and that it is not connected", async () => {
  const metrics = new Registry();
  const readiness = createReadiness();
  readiness.declare("nats");
  await using _metrics = processMetrics({
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

test("the connection is reported with its round trip while it is up, without it while it is down, and with its reconnects", async () => {
  await using nats = await startNats();
  await using host = await createTestHost({ transport: { servers: [nats.url] }, name: "tested" });
  const { metrics } = host;
  const value = (name: string): Promise<number | undefined> => valueIn(metrics, name);
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

test("a server that does not answer does not hold up a scrape: its round trip is missing", async () => {
  await using nats = await startNats();
  await using host = await createTestHost({ transport: { servers: [nats.url] }, name: "tested" });
  nats.pause();
  try {
    expect(await valueIn(host.metrics, "scbe_nats_rtt_ms")).toBeUndefined();
  } finally {
    nats.resume();
  }
  await eventually(async () => (await valueIn(host.metrics, "scbe_nats_rtt_ms")) !== undefined);
});

test("lost traces are counted", async () => {
  const metrics = new Registry();
  const onExportFailure = countExportFailures(metrics);
  onExportFailure();
  onExportFailure();
  expect(await valueIn(metrics, "scbe_trace_export_failures_total")).toBe(2);
});

const KEYRING_MS = 1_800_000_000_000;

function setup() {
  const clock = { wall: KEYRING_MS, steady: 0, now: () => clock.wall, monotonic: () => clock.steady };
  const offset = new ClockOffset(clock);
  const hear = (text: string | undefined): void =>
    offset.hear({ header: (name) => (name === HEADERS.timeMs ? text : undefined) });
  return { clock, offset, hear };
}

test("the clock offset is unknown before the first broadcast of the keyring", () => {
  expect(setup().offset.ms).toBeUndefined();
});

test.each([
  ["ahead of the keyring's has an offset above 0", 1500],
  ["behind the keyring's has an offset below 0", -1500],
])("a clock %s", (_what, offsetMs) => {
  const { clock, offset, hear } = setup();
  clock.wall = KEYRING_MS + offsetMs;
  hear(String(KEYRING_MS));
  expect(offset.ms).toBe(offsetMs);
});

test("delayed broadcasts do not change the clock offset", () => {
  const { clock, offset, hear } = setup();
  for (let broadcast = 0; broadcast < 15; broadcast += 1) {
    clock.wall = KEYRING_MS + (broadcast % 3 === 0 ? 9000 : 2);
    hear(String(KEYRING_MS));
  }
  expect(offset.ms).toBe(2);
});

test("the clock offset follows a clock that is set, within fifteen broadcasts", () => {
  const { clock, offset, hear } = setup();
  for (let broadcast = 0; broadcast < 100; broadcast += 1) hear(String(KEYRING_MS));
  clock.wall += 60_000;
  for (let broadcast = 0; broadcast < 7; broadcast += 1) hear(String(KEYRING_MS));
  expect(offset.ms).toBe(0);
  hear(String(KEYRING_MS));
  expect(offset.ms).toBe(60_000);
});

test("the clock offset is unknown again a minute after the last broadcast", () => {
  const { clock, offset, hear } = setup();
  hear(String(KEYRING_MS));
  clock.steady += 60_000;
  expect(offset.ms).toBe(0);
  clock.steady += 1;
  expect(offset.ms).toBeUndefined();
});

test.each([[undefined], [""], ["now"], ["-1"], ["1e3"], ["1.5"], ["1".repeat(16)], [" 1"]])(
  "a broadcast with the time %j is ignored",
  (text) => {
    const { offset, hear } = setup();
    hear(text);
    expect(offset.ms).toBeUndefined();
  },
);
