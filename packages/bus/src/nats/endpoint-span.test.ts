import { startTracing } from "@scbe/service";
import { collectLogs, receiveSpans, startNats } from "@scbe/testkit";
import { expect, test, vi } from "vitest";
import { connectBus } from "./connect.ts";

test("if the bus refuses an answer, the span fails with the code that the caller gets", async () => {
  await using collector = await receiveSpans();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url);
  vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
  vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "20");
  await using _tracing = await startTracing({ name: "service", version: "0" });
  await using nats = await startNats();
  const { log } = collectLogs();
  await using bus = await connectBus({ servers: [nats.url], name: "service", log });
  const handler = () => ({ data: new Uint8Array(bus.maxPayload + 1) });
  const endpoints = [{ name: "long", subject: "svc.long", handler }];
  await using service = bus.service({ name: "s", version: "1.0.0", description: "", queue: "q", endpoints });
  await service.join();
  await bus.flush();
  const request = bus.request("svc.long", new Uint8Array(0), { timeoutMs: 5000 });
  await expect(request).rejects.toMatchObject({ code: "TOO_LARGE" });
  expect((await collector.span("process svc.long")).status).toEqual({ code: 2, message: "TOO_LARGE" });
});
