import { STATUS } from "@scbe/contracts";
import { startTracing } from "@scbe/service";
import { eventually, type ReceivedSpan, receiveSpans, startDeployment } from "@scbe/testkit";
import { expect, test, vi } from "vitest";
import { ScriptedGateway } from "../test/scripted-gateway.ts";

test("each candidate's attempt is a span beside the others, in the one trace of its request", async () => {
  await using collector = await receiveSpans();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url);
  vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
  vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "20");
  await using _tracing = await startTracing({ name: "orchestrator", version: "0" });
  await using deployment = await startDeployment();
  const bus = await deployment.connect("gateways");
  new ScriptedGateway(bus, deployment.keyring, "openai").reset(({ say }) => say(STATUS.refused));
  new ScriptedGateway(bus, deployment.keyring, "anthropic").reset(({ answer }) => answer("ok"));
  await bus.flush();
  await using client = await deployment.orchestrator({ providers: ["openai", "anthropic"] });
  const { requestId, traceId } = await client.request({
    providers: ["openai", "xai", { provider: "anthropic", model: "claude" }],
    model: "gpt-5",
    intent: "chat",
    body: Buffer.from("Hello"),
  });
  const root = await collector.span("scbe.request");
  expect(root.traceId).toBe(traceId);
  expect(root.attributes).toMatchObject({
    "scbe.request_id": requestId,
    "scbe.provider": "anthropic",
    "scbe.model": "claude",
    "scbe.envelopes": 2,
  });
  const childrenOf = (parent: ReceivedSpan | undefined): ReceivedSpan[] =>
    collector.spans.filter(({ parentSpanId }) => parentSpanId === parent?.spanId);
  await eventually(() => childrenOf(root).length === 3);
  const told = childrenOf(root).map(({ name, attributes, status }) => [
    name,
    attributes["scbe.provider"],
    attributes["scbe.model"],
    attributes["scbe.envelopes"],
    status.message ?? "ok",
  ]);
  expect(told).toEqual([
    ["scbe.attempt", "openai", "gpt-5", 1, "REFUSED"],
    ["scbe.attempt", "xai", "gpt-5", 0, "NO_KEYS"],
    ["scbe.attempt", "anthropic", "claude", 1, "ok"],
  ]);
  const [, , served] = childrenOf(root);
  expect(new Set(childrenOf(served).map(({ name }) => name))).toEqual(
    new Set(["scbe.seal", "request scbe.v1.request.orchestrator.anthropic"]),
  );
});
