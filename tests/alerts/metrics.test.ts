import { type Client, connect } from "@scbe/client";
import {
  METRICS,
  type MetricName,
  type MetricRow,
  metricsOf,
  PHASES_OF,
  type ProcessKind,
} from "@scbe/contracts";
import { type Clock, systemClock } from "@scbe/runtime";
import { createRegistry } from "@scbe/service";
import { eventually } from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rawCaller } from "../kit/raw-clients.ts";
import { parseScrape, type ScrapedSample, samplesOf, scrape, sumOf } from "../kit/scrape.ts";
import { type System, startSystem } from "../kit/system.ts";

/** Runs against SCBE with its services as processes of their own, on real NATS and Redis. */

let system: System;
let orchestrator: Client;
let gateway: Client;
const registries = { orchestrator: new Registry(), gateway: new Registry() };
const PROVIDERS = ["openai", "anthropic"];
const ASKED = { provider: "openai", model: "gpt-5", intent: "chat", body: Buffer.from("Hello") };

beforeAll(async () => {
  system = await startSystem({ providers: PROVIDERS, controller: true, scorer: true });
  orchestrator = await system.orchestrator({ metrics: registries.orchestrator });
  gateway = await system.gateway("openai", { metrics: registries.gateway });
});
afterAll(async () => {
  await orchestrator?.[Symbol.asyncDispose]();
  await gateway?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
});

const scrapeOf: Readonly<Record<ProcessKind, () => Promise<ScrapedSample[]>>> = {
  orchestrator: async () => parseScrape(await registries.orchestrator.metrics()),
  gateway: async () => parseScrape(await registries.gateway.metrics()),
  envelope: () => scrape(present(system.envelope)),
  "replay-guard": () => scrape(present(system.guards[0])),
  keyring: () => scrape(system.keyring),
  "rollback-controller": () => scrape(present(system.controller)),
  "trust-scorer": () => scrape(present(system.scorers[0])),
};
const KINDS = Object.keys(scrapeOf) as ProcessKind[];

const ENDPOINTS: Readonly<Record<ProcessKind, readonly string[]>> = {
  orchestrator: [],
  gateway: ["request"],
  envelope: ["seal-request", "open-request", "seal-response", "open-response"],
  "replay-guard": ["admit", "epoch-get", "security-read"],
  keyring: ["grant", "ring-get"],
  "rollback-controller": ["lease", "control-get", "trust-last", "audit-read"],
  "trust-scorer": ["tell", "word", "get"],
};
/** Metrics whose phase is that of the sealed message; for all others it is that of the opened one. */
const SEALING: readonly MetricName[] = [
  "scbe_envelope_create_ms",
  "scbe_envelope_sealed_bytes_total",
  "scbe_envelope_sessions_started_total",
  "scbe_envelope_session_used_ratio",
];

/** The values that a label must have in this process; `undefined`: the test does not know them. */
function valuesOf(kind: ProcessKind, name: MetricName, label: string): readonly string[] | undefined {
  const declared = (METRICS[name] as MetricRow).labels[label];
  if (label === "phase") {
    const phases = PHASES_OF[kind as keyof typeof PHASES_OF];
    return SEALING.includes(name) ? phases.seals : phases.opens;
  }
  if (declared === "providers") return kind === "gateway" ? ["openai"] : PROVIDERS;
  if (declared === "endpoints") return ENDPOINTS[kind];
  return typeof declared === "string" ? undefined : declared;
}

function labelSetsOf(kind: ProcessKind, name: MetricName): Record<string, string>[] {
  const labels = Object.keys((METRICS[name] as MetricRow).labels);
  return labels.reduce<Record<string, string>[]>(
    (sets, label) => {
      const values = valuesOf(kind, name, label);
      if (values === undefined) return sets;
      return sets.flatMap((set) => values.map((value) => ({ ...set, [label]: value })));
    },
    [{}],
  );
}

/** The sample name with one sample for each label set. */
function sampleName(name: MetricName): string {
  return METRICS[name].kind === "histogram" ? `${name}_count` : name;
}

describe.each(KINDS)("the %s", (kind) => {
  test("exports every metric of its rows, with every label set, from the start", async () => {
    // A gateway has no endpoint before it serves.
    await using _served = kind === "gateway" ? await serve() : undefined;
    const samples = await scrapeOf[kind]();
    const missing = metricsOf(kind)
      .filter((name) => (METRICS[name] as MetricRow).from !== "known")
      .flatMap((name) => labelSetsOf(kind, name).map((labels) => ({ name, labels })))
      .filter(({ name, labels }) => samplesOf(samples, sampleName(name), labels).length === 0);
    expect(missing).toEqual([]);
  });

  test("exports measured values after their first measurement", async () => {
    const known = metricsOf(kind).filter((name) => (METRICS[name] as MetricRow).from === "known");
    expect(known).toContain("scbe_clock_offset_ms");
    await eventually(
      async () => {
        const samples = await scrapeOf[kind]();
        return known.every((name) => samplesOf(samples, sampleName(name)).length > 0);
      },
      { timeoutMs: 15_000 },
    );
  });

  test("exports only metrics of the table, and prom-client's default ones", async () => {
    const ofNode = parseScrape(await createRegistry().metrics()).map(({ name }) => name);
    const allowed = new Set<string>(kind === "orchestrator" || kind === "gateway" ? [] : ofNode);
    for (const name of metricsOf(kind)) {
      const isHistogram = METRICS[name].kind === "histogram";
      for (const end of isHistogram ? ["_bucket", "_sum", "_count"] : [""]) allowed.add(`${name}${end}`);
    }
    const names = new Set((await scrapeOf[kind]()).map(({ name }) => name));
    expect(names.size).toBeGreaterThan(10);
    // Metrics that depend on the process's state, like kinds of open handles, have no line in an idle registry.
    const strange = [...names].filter((name) => !allowed.has(name) && !/^(nodejs|process)_/.test(name));
    expect(strange).toEqual([]);
  });

  test("has only labels and label values of the closed sets", async () => {
    for (const { name, labels } of await scrapeOf[kind]()) {
      const metric = name.replace(/_(bucket|sum)$|(?<=_ms|_seconds)_count$/, "") as MetricName;
      if (!Object.hasOwn(METRICS, metric)) continue;
      const declared = Object.keys((METRICS[metric] as MetricRow).labels);
      const { le: _bound, ...own } = labels;
      expect([metric, Object.keys(own).sort()]).toEqual([metric, [...declared].sort()]);
      for (const [label, value] of Object.entries(own)) {
        const values = valuesOf(kind, metric, label);
        if (values !== undefined) expect(values).toContain(value);
      }
    }
  });
});

test("a new client exports only zeros", async () => {
  const metrics = new Registry();
  await using _client = await system.orchestrator({ metrics });
  const samples = parseScrape(await metrics.metrics());
  // A client follows broadcasts from its start.
  const isHeard = (name: string): boolean => /^scbe_(control|trust|ring)_/.test(name);
  const counted = metricsOf("orchestrator").filter(
    (name) => METRICS[name].kind !== "gauge" && !isHeard(name),
  );
  const moved = counted.filter((name) => sumOf(samples, sampleName(name)) !== 0);
  expect(counted.length).toBeGreaterThan(8);
  expect(moved).toEqual([]);
});

test("one request is counted once by each process on its path", async () => {
  await using _served = await serve();
  const before = await scrapeAll();
  await orchestrator.request(ASKED);
  const grown = await growth(before);
  const openai = { provider: "openai" };
  expect({
    sealed: grown("orchestrator", "scbe_envelope_create_ms_count", openai),
    bytes: grown("orchestrator", "scbe_envelope_sealed_bytes_total", openai) > ASKED.body.length,
    verified: grown("gateway", "scbe_envelope_verify_ms_count", { phase: "request", ...openai }),
    skew: grown("gateway", "scbe_phase_skew_ms_count", { phase: "request", ...openai }),
    tags: grown("gateway", "scbe_gcm_attempts_total", openai),
    admitted: grown("gateway", "scbe_admit_ms_count", openai),
    fresh: grown("replay-guard", "scbe_replay_admits_total", { verdict: "fresh" }),
    handled: grown("gateway", "scbe_gateway_handler_ms_count", { result: "ok", ...openai }),
    answered: grown("orchestrator", "scbe_request_envelopes_total", { landing: "answered", ...openai }),
    response: grown("orchestrator", "scbe_envelope_openings_total", { result: "opened", ...openai }),
    ok: grown("orchestrator", "scbe_requests_total", { result: "ok", ...openai }),
    timed: grown("orchestrator", "scbe_request_ms_count", openai),
    other: grown("orchestrator", "scbe_requests_total", { provider: "anthropic" }),
  }).toEqual({
    sealed: 1,
    bytes: true,
    verified: 1,
    skew: 1,
    tags: 1,
    admitted: 1,
    fresh: 1,
    handled: 1,
    answered: 1,
    response: 1,
    ok: 1,
    timed: 1,
    other: 0,
  });
});

test("a forged envelope is counted with its reason, and moves neither verify_ms nor skew_ms", async () => {
  await using _served = await serve();
  await using caller = await rawCaller(system);
  const requestId = crypto.randomUUID();
  const sealed = Buffer.from(caller.verifier.sealer.sealRequest({ ...ASKED, requestId }).bytes);
  const last = sealed.length - 1;
  sealed.writeUInt8(sealed.readUInt8(last) ^ 1, last);
  const before = await scrapeAll();
  expect((await caller.send("openai", sealed)).status).toBe("refused");
  const grown = await growth(before);
  expect({
    refused: grown("gateway", "scbe_envelope_openings_total", { phase: "request", result: "tag" }),
    all: grown("gateway", "scbe_envelope_openings_total"),
    attempts: grown("gateway", "scbe_gcm_attempts_total"),
    failures: grown("gateway", "scbe_gcm_failures_total", { provider: "openai" }),
    noise: grown("gateway", "scbe_fail_to_noise_count", { provider: "openai" }),
    ofOneKey: grown("gateway", "scbe_envelope_failed_opens", { phase: "request", provider: "openai" }),
    verify: grown("gateway", "scbe_envelope_verify_ms_count"),
    skew: grown("gateway", "scbe_phase_skew_ms_count"),
    admitted: grown("replay-guard", "scbe_replay_admits_total"),
  }).toEqual({
    refused: 1,
    all: 1,
    attempts: 1,
    failures: 1,
    noise: 1,
    ofOneKey: 1,
    verify: 0,
    skew: 0,
    admitted: 0,
  });
});

test.each([
  ["ahead of", 20_000],
  ["behind", -20_000],
])("a process whose clock is %s the keyring's exports the offset with its sign", async (_what, offMs) => {
  const metrics = new Registry();
  const clock: Clock = { now: () => Date.now() + offMs, monotonic: systemClock.monotonic };
  await using _client = await system.orchestrator({ metrics, clock });
  await eventually(async () => (await offsetsIn(metrics)).length > 0, { timeoutMs: 15_000 });
  const [offset = 0] = await offsetsIn(metrics);
  expect(Math.sign(offset)).toBe(Math.sign(offMs));
  expect(Math.abs(offset - offMs)).toBeLessThan(10_000);
});

test("counters of two clients in a process are added, and gauges of a client end with it", async () => {
  const metrics = new Registry();
  await using first = await system.orchestrator({ metrics });
  const keysOf = async (): Promise<number> =>
    sumOf(parseScrape(await metrics.metrics()), "scbe_envelope_keys_held", { provider: "openai" });
  const alone = await keysOf();
  expect(alone).toBeGreaterThan(0);
  const second = await system.orchestrator({ metrics });
  expect(await keysOf()).toBe(2 * alone);
  await second[Symbol.asyncDispose]();
  expect(await keysOf()).toBe(alone);
  // The minimum of both clients; it would be 0 if the closed client still counted.
  expect(samplesOf(parseScrape(await metrics.metrics()), "scbe_nats_connected")[0]?.value).toBe(1);
  expect(first.readiness.ready).toBe(true);
});

test("a registry that serves OpenMetrics is refused when the client connects", async () => {
  const metrics = new Registry();
  metrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as unknown as typeof metrics.contentType);
  const transport = system.transport("orchestrator");
  const connecting = connect({ name: "orchestrator", transport, variables: system.variables, metrics });
  await expect(connecting).rejects.toMatchObject({ code: "BAD_REQUEST" });
});

describe("a scrape of the replay guard", () => {
  test("has the number of envelopes in Redis, its memory use and its memory limit", async () => {
    const before = sumOf(await scrapeOf["replay-guard"](), "scbe_replay_store_entries");
    await using _served = await serve();
    for (let count = 0; count < 5; count += 1) await orchestrator.request(ASKED);
    const samples = await scrapeOf["replay-guard"]();
    expect(sumOf(samples, "scbe_replay_store_entries")).toBe(before + 5);
    expect(sumOf(samples, "scbe_replay_store_used_bytes")).toBeGreaterThan(100_000);
    expect(samplesOf(samples, "scbe_replay_store_max_bytes").map(({ value }) => value)).toEqual([0]);
  });

  test("is answered while Redis hangs, without the values from Redis, and with them when Redis is back", async () => {
    const redis = present(system.redis);
    const occupancy = async (): Promise<number> => {
      const samples = await scrapeOf["replay-guard"]();
      return samples.filter(({ name }) => /^scbe_replay_store_(entries|used_bytes|max_bytes)$/.test(name))
        .length;
    };
    const all = PROVIDERS.length + 2;
    expect(await occupancy()).toBe(all);
    redis.pause();
    try {
      expect(await occupancy()).toBe(0);
      expect(samplesOf(await scrapeOf["replay-guard"](), "scbe_replay_epoch_generation")).toHaveLength(1);
    } finally {
      redis.resume();
    }
    await eventually(async () => (await occupancy()) === all, { timeoutMs: 15_000 });
  });
});

/** Has the gateway echo. */
function serve(): Promise<AsyncDisposable> {
  const handler = ({ body }: { body: Uint8Array }) => ({ body, contentType: "application/json" });
  return gateway.serve({ provider: "openai", handler });
}

async function scrapeAll(): Promise<Map<ProcessKind, ScrapedSample[]>> {
  return new Map(await Promise.all(KINDS.map(async (kind) => [kind, await scrapeOf[kind]()] as const)));
}

/** The growth of a metric since `before`. */
async function growth(before: ReadonlyMap<ProcessKind, ScrapedSample[]>) {
  const after = await scrapeAll();
  return (kind: ProcessKind, name: string, labels: Readonly<Record<string, string>> = {}): number =>
    sumOf(after.get(kind) ?? [], name, labels) - sumOf(before.get(kind) ?? [], name, labels);
}

async function offsetsIn(metrics: Registry): Promise<number[]> {
  return samplesOf(parseScrape(await metrics.metrics()), "scbe_clock_offset_ms").map(({ value }) => value);
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the process was not started");
  return value;
}
