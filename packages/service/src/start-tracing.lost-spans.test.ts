import { beginSpan } from "@scbe/bus";
import { collectLogs, eventually, receiveSpans } from "@scbe/testkit";
import { expect, test, vi } from "vitest";
import { startTracing } from "./start-tracing.ts";

test("a refusing collector is counted each time and logged once, without its words or a password", async () => {
  await using collector = await receiveSpans("refuse");
  const { host } = new URL(collector.url);
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", `http://user:a-password@${host}`);
  vi.stubEnv("OTEL_EXPORTER_OTLP_TIMEOUT", "300");
  vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "20");
  vi.stubEnv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
  vi.stubEnv("OTEL_TRACES_SAMPLER_ARG", "7");
  const logs = collectLogs();
  const onExportFailure = vi.fn();
  await using _tracing = await startTracing({ name: "lost", version: "0", log: logs.log, onExportFailure });
  for (const times of [1, 2, 3]) {
    beginSpan("lost").end();
    await eventually(() => expect(onExportFailure).toHaveBeenCalledTimes(times));
  }
  const lost = logs.lines.filter(({ msg }) => msg?.includes("spans could not be delivered"));
  expect(lost).toHaveLength(1);
  expect(logs.text).not.toContain("a-password");
  expect(logs.text).not.toContain("the collector's own words");
  const warning = { level: "warn", variable: "OTEL_TRACES_SAMPLER_ARG" };
  expect(logs.lines).toContainEqual(expect.objectContaining(warning));
});
