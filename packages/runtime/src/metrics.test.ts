import { METRICS } from "@scbe/contracts";
import { Histogram as PromHistogram, Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { counter, gauge, histogram, watchGauge } from "./metrics.ts";

const PHASE = { phase: ["request"], provider: ["openai"] } as const;
const LABELS = { phase: "request", provider: "openai" } as const;

async function linesOf(registry: Registry, name: string): Promise<string[]> {
  const lines = (await registry.getSingleMetricAsString(name)).split("\n");
  return lines.filter((line) => !line.startsWith("#"));
}

test("every label set of a metric exists from the start, at 0", async () => {
  const registry = new Registry();
  counter(registry, "scbe_request_envelopes_total", { provider: ["openai", "xai"] });
  expect(await linesOf(registry, "scbe_request_envelopes_total")).toEqual(
    ["openai", "xai"].flatMap((provider) =>
      METRICS.scbe_request_envelopes_total.labels.landing.map(
        (landing) => `scbe_request_envelopes_total{provider="${provider}",landing="${landing}"} 0`,
      ),
    ),
  );
});

test("a histogram is written as prom-client itself would write it", async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const { help, bounds } = METRICS.scbe_envelope_verify_ms;
  const own = histogram(ours, "scbe_envelope_verify_ms", PHASE);
  const reference = new PromHistogram({
    name: "scbe_envelope_verify_ms",
    help,
    buckets: [...bounds],
    labelNames: ["phase", "provider"],
    registers: [theirs],
  });
  for (const value of [0, 0.05, 0.050_001, 0.3, 10, 10.5, 5000, 5001, 1e9]) {
    own.observe(LABELS, value);
    reference.observe(LABELS, value);
  }
  expect(await ours.metrics()).toBe(await theirs.metrics());
});

test("a label value that was not declared is not counted", async () => {
  const registry = new Registry();
  const failures = counter(registry, "scbe_gcm_failures_total", { provider: ["openai"] });
  const verifyMs = histogram(registry, "scbe_envelope_verify_ms", PHASE);
  const before = await registry.metrics();
  failures.inc({ provider: "unknown" });
  verifyMs.observe({ phase: "response", provider: "openai" }, 1);
  verifyMs.observe(LABELS, Number.NaN);
  expect(await registry.metrics()).toBe(before);
  failures.inc({ provider: "openai" });
  expect(await linesOf(registry, "scbe_gcm_failures_total")).toEqual([
    'scbe_gcm_failures_total{provider="openai"} 1',
  ]);
});

test("metrics that share a registry add up, each for its own providers", async () => {
  const registry = new Registry();
  const one = counter(registry, "scbe_gcm_failures_total", { provider: ["openai"] });
  one.inc({ provider: "openai" });
  const other = counter(registry, "scbe_gcm_failures_total", { provider: ["openai", "xai"] });
  other.inc({ provider: "openai" });
  expect(await linesOf(registry, "scbe_gcm_failures_total")).toEqual([
    'scbe_gcm_failures_total{provider="openai"} 2',
    'scbe_gcm_failures_total{provider="xai"} 0',
  ]);
});

test("a registry's reset sets counts to 0 and keeps the series", async () => {
  const registry = new Registry();
  counter(registry, "scbe_nats_reconnects_total").inc({}, 2);
  registry.resetMetrics();
  expect(await linesOf(registry, "scbe_nats_reconnects_total")).toEqual(["scbe_nats_reconnects_total 0"]);
});

describe("a gauge that is read at each scrape", () => {
  test("combines several readers by sum, maximum or minimum, as its row says", async () => {
    const registry = new Registry();
    for (const value of [3, 5]) {
      watchGauge(registry, "scbe_requests_in_flight", () => [[{}, value]]);
      watchGauge(registry, "scbe_nats_rtt_ms", () => [[{}, value]]);
      watchGauge(registry, "scbe_dependency_up", () => [[{ dependency: "nats" }, value - 3]]);
    }
    expect(await linesOf(registry, "scbe_requests_in_flight")).toEqual(["scbe_requests_in_flight 8"]);
    expect(await linesOf(registry, "scbe_nats_rtt_ms")).toEqual(["scbe_nats_rtt_ms 5"]);
    expect(await linesOf(registry, "scbe_dependency_up")).toEqual([
      'scbe_dependency_up{dependency="nats"} 0',
    ]);
  });

  test("ends with its disposal, and other readers go on", async () => {
    const registry = new Registry();
    const look = (): [object, number][] => [[{}, 1]];
    const first = watchGauge(registry, "scbe_requests_in_flight", look);
    const second = watchGauge(registry, "scbe_requests_in_flight", look);
    first[Symbol.dispose]();
    expect(await linesOf(registry, "scbe_requests_in_flight")).toEqual(["scbe_requests_in_flight 1"]);
    second[Symbol.dispose]();
    expect(await linesOf(registry, "scbe_requests_in_flight")).toEqual([]);
  });

  test.each([
    ["fails", () => Promise.reject(new Error("away"))],
    [
      "throws",
      () => {
        throw new Error("away");
      },
    ],
    ["never ends", () => new Promise<never>(() => undefined)],
    ["finds no number", () => [[{}, Number.NaN]] as [object, number][]],
  ])("and %s yields nothing, and does not hold up the scrape", async (_what, look) => {
    const registry = new Registry();
    watchGauge(registry, "scbe_nats_rtt_ms", look);
    gauge(registry, "scbe_keyring_kms_up").set({}, 1);
    const text = await registry.metrics();
    expect(text).toContain("\nscbe_keyring_kms_up 1\n");
    expect(text).not.toMatch(/^scbe_nats_rtt_ms/m);
  });
});

test("a registry that serves OpenMetrics is refused: it would rename counters", () => {
  const registry = new Registry();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as unknown as typeof registry.contentType);
  expect(() => counter(registry, "scbe_nats_reconnects_total")).toThrow(
    expect.objectContaining({ code: "BAD_REQUEST" }),
  );
});

test("a registry with a foreign metric of the same name is refused", () => {
  const registry = new Registry();
  new PromHistogram({ name: "scbe_request_ms", help: "Foreign.", registers: [registry] });
  expect(() => histogram(registry, "scbe_request_ms", { provider: ["openai"] })).toThrow(
    expect.objectContaining({ code: "CONFLICT" }),
  );
});
