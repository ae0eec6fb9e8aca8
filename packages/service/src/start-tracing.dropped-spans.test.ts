import { beginSpan } from "@scbe/bus";
import { collectLogs, eventually, receiveSpans } from "@scbe/testkit";
import { expect, test, vi } from "vitest";
import { startTracing } from "./start-tracing.ts";

test("spans that a full queue dropped are reported, although the collector accepts everything", async () => {
  await using collector = await receiveSpans();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url);
  vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
  vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "20");
  vi.stubEnv("OTEL_BSP_MAX_QUEUE_SIZE", "4");
  vi.stubEnv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4");
  const logs = collectLogs();
  const onExportFailure = vi.fn();
  await using _tracing = await startTracing({ name: "busy", version: "0", log: logs.log, onExportFailure });
  for (let made = 0; made < 50; made += 1) beginSpan("burst").end();
  await eventually(() => {
    beginSpan("later").end();
    return expect(onExportFailure).toHaveBeenCalled();
  });
  expect(logs.text).toContain("spans could not be delivered");
});
