import { beginSpan } from "@scbe/bus";
import { receiveSpans } from "@scbe/testkit";
import { expect, test, vi } from "vitest";
import { startTracing } from "./start-tracing.ts";

test("a collector that hangs delays the end of a process by no more than the time to deliver", async () => {
  await using collector = await receiveSpans("hang");
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url);
  const tracing = await startTracing({ name: "hanging", version: "0" });
  for (let spans = 0; spans < 5000; spans += 1) beginSpan("waits").end();
  const ended = tracing[Symbol.asyncDispose]().then(() => "ended");
  const late = new Promise((resolve) => setTimeout(resolve, 8000, "late"));
  expect(await Promise.race([ended, late])).toBe("ended");
  expect(collector.exports).toBeGreaterThan(0);
});
