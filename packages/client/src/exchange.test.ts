import { HEADERS, patternOf } from "@scbe/contracts";
import { startTracing } from "@scbe/service";
import { eventually, startDeployment } from "@scbe/testkit";
import { expect, test, vi } from "vitest";
import { ScriptedGateway } from "../test/scripted-gateway.ts";

/** More than the header of the time that is left, and less than that and a traceparent. */
const ROOM_BYTES = 60;

test("a request that fits the bus without its trace's headers goes without them", async () => {
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
  await using _tracing = await startTracing({ name: "orchestrator", version: "0" });
  await using deployment = await startDeployment({ SCBE_ACCEPT_TIMEOUT_MS: "10000" });
  const bus = await deployment.connect("gateway-openai");
  const _gateway = new ScriptedGateway(bus, deployment.keyring);
  const arrived: { bytes: number; isTraced: boolean }[] = [];
  bus.subscribe(patternOf("request", { provider: "openai" }), (message) => {
    arrived.push({ bytes: message.data.length, isTraced: message.header(HEADERS.traceparent) !== undefined });
  });
  await bus.flush();
  await using client = await deployment.orchestrator();
  const asked = { provider: "openai", model: "gpt-5", intent: "chat", timeoutMs: 20_000 };
  await client.request({ ...asked, body: Buffer.alloc(1) });
  await eventually(() => expect(arrived).toHaveLength(1));
  const overhead = (arrived[0]?.bytes ?? 0) - 1;
  await client.request({ ...asked, body: Buffer.alloc(bus.maxPayload - overhead - ROOM_BYTES) });
  await eventually(() => expect(arrived).toHaveLength(2));
  expect(arrived).toEqual([
    { bytes: overhead + 1, isTraced: true },
    { bytes: bus.maxPayload - ROOM_BYTES, isTraced: false },
  ]);
});
