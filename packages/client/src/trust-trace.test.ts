import { startTracing } from "@scbe/service";
import { eventually, excluded, latched, receiveSpans } from "@scbe/testkit";
import { expect, test, vi } from "vitest";
import { says } from "../test/scripts.ts";
import { ASKED, TrustStage } from "../test/trust-stage.ts";

test("a trace has the candidates in the order in which their turn came, and none whose turn did not come", async () => {
  await using collector = await receiveSpans();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url);
  vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
  vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "20");
  await using _tracing = await startTracing({ name: "orchestrator", version: "0" });
  await using stage = await TrustStage.start();
  await stage.reset();
  await stage.speak({ openai: excluded(), mistral: latched() });

  /** Its candidates as their spans tell, and who the whole request was of. */
  const traced = async (count: number): Promise<unknown[]> => {
    const { traceId } = await stage.client.request({
      ...ASKED,
      providers: ["mistral", "openai", "anthropic"],
    });
    const named = (name: string) =>
      collector.spans.filter((span) => span.name === name && span.traceId === traceId);
    await eventually(() => named("scbe.request").length === 1 && named("scbe.attempt").length === count);
    const attempts = named("scbe.attempt").map(({ attributes, status }) => [
      attributes["scbe.provider"],
      attributes["scbe.envelopes"],
      status.message ?? "ok",
    ]);
    return [named("scbe.request")[0]?.attributes["scbe.provider"], ...attempts];
  };

  expect(await traced(1)).toEqual(["anthropic", ["anthropic", 1, "ok"]]);
  stage.anthropic.reset(says.noise);
  expect(await traced(3)).toEqual([
    "openai",
    ["anthropic", 1, "REFUSED"],
    ["mistral", 0, "DISTRUSTED"],
    ["openai", 1, "ok"],
  ]);
});
