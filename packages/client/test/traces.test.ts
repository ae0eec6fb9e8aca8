import { withTrace } from "@scbe/bus";
import { HEADERS, patternOf, STATUS } from "@scbe/contracts";
import { startTracing } from "@scbe/service";
import {
  eventually,
  excluded,
  latched,
  type ReceivedSpan,
  receiveSpans,
  type SpanReceiver,
  startDeployment,
} from "@scbe/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { replies } from "./replies.ts";
import { ScriptedGateway } from "./scripted-gateway.ts";
import { REQUEST, TrustFixture } from "./trust-fixture.ts";

/** One for all tests: a process can start the SDK only once. */
let collector: SpanReceiver;
let tracing: AsyncDisposable;

beforeAll(async () => {
  collector = await receiveSpans();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url);
  vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
  vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "20");
  tracing = await startTracing({ name: "orchestrator", version: "0" });
});
afterAll(async () => {
  await tracing?.[Symbol.asyncDispose]();
  await collector?.[Symbol.asyncDispose]();
});

function spansOf(traceId: string | undefined, name: string): ReceivedSpan[] {
  return collector.spans.filter((span) => span.name === name && span.traceId === traceId);
}

test("a grant has its own trace, even if the client was connected inside a traced operation", async () => {
  await using deployment = await startDeployment();
  await using _client = await withTrace("starting up", {}, () => deployment.orchestrator());
  const grant = await collector.span("request scbe.v1.keyring.grant.orchestrator.openai");
  expect(grant.parentSpanId ?? "").toBe("");
});

test("each candidate's attempt is a span beside the others, in the one trace of its request", async () => {
  await using deployment = await startDeployment();
  const bus = await deployment.connect("gateways");
  new ScriptedGateway(bus, deployment.keyring, "openai").reset(({ reply }) => reply(STATUS.refused));
  new ScriptedGateway(bus, deployment.keyring, "anthropic").reset(({ answer }) => answer("ok"));
  await bus.flush();
  await using client = await deployment.orchestrator({ providers: ["openai", "anthropic"] });
  const { requestId, traceId } = await client.request({
    providers: ["openai", "xai", { provider: "anthropic", model: "claude" }],
    model: "gpt-5",
    intent: "chat",
    body: Buffer.from("Hello"),
  });
  const roots = (): ReceivedSpan[] =>
    collector.spans.filter(({ name, attributes }) => {
      return name === "scbe.request" && attributes["scbe.request_id"] === requestId;
    });
  await eventually(() => roots().length === 1);
  const [root] = roots();
  expect(root?.traceId).toBe(traceId);
  expect(root?.attributes).toMatchObject({
    "scbe.request_id": requestId,
    "scbe.provider": "anthropic",
    "scbe.model": "claude",
    "scbe.envelopes": 2,
  });
  const childrenOf = (parent: ReceivedSpan | undefined): ReceivedSpan[] =>
    collector.spans.filter(({ parentSpanId }) => parentSpanId === parent?.spanId);
  await eventually(() => childrenOf(root).length === 3);
  const attempts = childrenOf(root).map(({ name, attributes, status }) => [
    name,
    attributes["scbe.provider"],
    attributes["scbe.model"],
    attributes["scbe.envelopes"],
    status.message ?? "ok",
  ]);
  expect(attempts).toEqual([
    ["scbe.attempt", "openai", "gpt-5", 1, "REFUSED"],
    ["scbe.attempt", "xai", "gpt-5", 0, "NO_KEYS"],
    ["scbe.attempt", "anthropic", "claude", 1, "ok"],
  ]);
  const [, , served] = childrenOf(root);
  expect(new Set(childrenOf(served).map(({ name }) => name))).toEqual(
    new Set(["scbe.seal", "request scbe.v1.request.orchestrator.anthropic"]),
  );
});

test("a trace has the candidates in the order of their attempts, and none that was not tried", async () => {
  await using fixture = await TrustFixture.start();
  await fixture.reset();
  await fixture.publishTrust({ openai: excluded(), mistral: latched() });

  /** The provider of the whole request, then the candidates by their spans. */
  const traced = async (count: number): Promise<unknown[]> => {
    const { traceId } = await fixture.client.request({
      ...REQUEST,
      providers: ["mistral", "openai", "anthropic"],
    });
    await eventually(
      () =>
        spansOf(traceId, "scbe.request").length === 1 && spansOf(traceId, "scbe.attempt").length === count,
    );
    const attempts = spansOf(traceId, "scbe.attempt").map(({ attributes, status }) => [
      attributes["scbe.provider"],
      attributes["scbe.envelopes"],
      status.message ?? "ok",
    ]);
    return [spansOf(traceId, "scbe.request")[0]?.attributes["scbe.provider"], ...attempts];
  };

  expect(await traced(1)).toEqual(["anthropic", ["anthropic", 1, "ok"]]);
  fixture.anthropic.reset(replies.noise);
  expect(await traced(3)).toEqual([
    "openai",
    ["anthropic", 1, "REFUSED"],
    ["mistral", 0, "DISTRUSTED"],
    ["openai", 1, "ok"],
  ]);
});

/** More than the header of the remaining time, and less than that and a traceparent. */
const ROOM_BYTES = 60;

test("a request that fits the bus only without its trace headers goes without them", async () => {
  await using deployment = await startDeployment({ SCBE_ACCEPT_TIMEOUT_MS: "10000" });
  const bus = await deployment.connect("gateway-openai");
  const _gateway = new ScriptedGateway(bus, deployment.keyring);
  const arrived: { bytes: number; isTraced: boolean }[] = [];
  bus.subscribe(patternOf("request", { provider: "openai" }), (message) => {
    arrived.push({ bytes: message.data.length, isTraced: message.header(HEADERS.traceparent) !== undefined });
  });
  await bus.flush();
  await using client = await deployment.orchestrator();
  const options = { provider: "openai", model: "gpt-5", intent: "chat", timeoutMs: 20_000 };
  await client.request({ ...options, body: Buffer.alloc(1) });
  await eventually(() => expect(arrived).toHaveLength(1));
  const overhead = (arrived[0]?.bytes ?? 0) - 1;
  await client.request({ ...options, body: Buffer.alloc(bus.maxPayload - overhead - ROOM_BYTES) });
  await eventually(() => expect(arrived).toHaveLength(2));
  expect(arrived).toEqual([
    { bytes: overhead + 1, isTraced: true },
    { bytes: bus.maxPayload - ROOM_BYTES, isTraced: false },
  ]);
});
