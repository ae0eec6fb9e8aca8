import { withTrace } from "@scbe/bus";
import { startTracing } from "@scbe/service";
import { receiveSpans, startDeployment } from "@scbe/testkit";
import { expect, test, vi } from "vitest";

test("a grant has a trace of its own, also of a client that was connected in the course of something traced", async () => {
  await using collector = await receiveSpans();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url);
  vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
  vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "20");
  await using _tracing = await startTracing({ name: "orchestrator", version: "0" });
  await using deployment = await startDeployment();
  await using _client = await withTrace("starting up", {}, () => deployment.orchestrator());
  const grant = await collector.span("request scbe.v1.keyring.grant.orchestrator.openai");
  expect(grant.parentSpanId ?? "").toBe("");
});
