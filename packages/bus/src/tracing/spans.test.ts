import { propagation } from "@opentelemetry/api";
import { ScbeError } from "@scbe/contracts";
import { startTracing } from "@scbe/service";
import { collectLogs, receiveSpans, type SpanReceiver } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { extractTrace, headersOf, injectTrace, processSpan, requestSpan } from "./messages.ts";
import {
  beginSpan,
  failSpan,
  inSpan,
  recordedSpan,
  startSpan,
  traceIdOf,
  whileIn,
  withSpan,
} from "./spans.ts";

let collector: SpanReceiver;
let tracing: AsyncDisposable;

beforeAll(async () => {
  collector = await receiveSpans();
  vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url);
  vi.stubEnv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
  vi.stubEnv("OTEL_BSP_SCHEDULE_DELAY", "20");
  vi.stubEnv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
  tracing = await startTracing({ name: "spans", version: "1.2.3" });
});

afterAll(async () => {
  await tracing[Symbol.asyncDispose]();
  await collector[Symbol.asyncDispose]();
});

describe("a span", () => {
  test("is a child of the span that is active when it starts, also after an await", async () => {
    await whileIn(beginSpan("outer"), async () => {
      await Promise.resolve();
      withSpan("inner", {}, () => undefined);
    });
    const [outer, inner] = [await collector.span("outer"), await collector.span("inner")];
    expect(inner.parentSpanId).toBe(outer.spanId);
    expect(inner.traceId).toBe(outer.traceId);
    expect(outer.parentSpanId ?? "").toBe("");
    expect(outer.service).toBe("spans");
  });

  test("may be a child of a span that has ended, as for work that continues after an answer", async () => {
    const outer = beginSpan("answered already");
    outer.end();
    inSpan(outer, () => withSpan("later work", {}, () => requestSpan("scbe.v1.later", 1).end()));
    const [above, inner] = [
      await collector.span("later work"),
      await collector.span("request scbe.v1.later"),
    ];
    expect(above.parentSpanId).toBe(outer.spanContext().spanId);
    expect(inner.parentSpanId).toBe(above.spanId);
  });

  test("that is passed to a callback is the parent of spans that start there", async () => {
    const span = beginSpan("passed on");
    await new Promise<void>((resolve) =>
      setImmediate(() => {
        inSpan(span, () => withSpan("in the callback", {}, () => undefined));
        resolve();
      }),
    );
    span.end();
    expect((await collector.span("in the callback")).parentSpanId).toBe(
      (await collector.span("passed on")).spanId,
    );
  });

  test("ends as failed, with the code of the error and not its text", async () => {
    const secret = "the body that a handler quotes";
    const failing = whileIn(beginSpan("rejects"), () => Promise.reject(new ScbeError("BUSY", secret)));
    await expect(failing).rejects.toThrow(secret);
    expect(() =>
      whileIn(beginSpan("throws"), () => {
        throw new Error(secret);
      }),
    ).toThrow(secret);
    const [rejects, throws] = [await collector.span("rejects"), await collector.span("throws")];
    expect(rejects.status).toEqual({ code: 2, message: "BUSY" });
    expect(rejects.attributes["error.type"]).toBe("BUSY");
    expect(throws.status).toEqual({ code: 2, message: "INTERNAL" });
    expect(collector.text).not.toContain(secret);
  });

  test("is found while it is recorded", () => {
    expect(recordedSpan()).toBeUndefined();
    const span = beginSpan("found");
    whileIn(span, () => expect(recordedSpan()).toBe(span));
    expect(span.spanContext().traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  test("without a trace is a dummy, and its work runs", () => {
    expect(withSpan("without a trace", {}, (span) => [span.isRecording(), recordedSpan()])).toEqual([
      false,
      undefined,
    ]);
    expect(startSpan("without a trace")).toBe(requestSpan("scbe.v1.request.openai", 1));
  });
});

describe("a trace on the bus", () => {
  const REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  test("continues the trace of a message, with the bus's attributes", async () => {
    const parent = extractTrace((name) => (name === "traceparent" ? REMOTE : undefined));
    const span = processSpan("scbe.v1.request.openai", { queue: "gateways", bytes: 12 }, parent);
    failSpan(span, new ScbeError("BUSY", "full"));
    span.end();
    const received = await collector.span("process scbe.v1.request.openai");
    expect(received.traceId).toBe("0af7651916cd43dd8448eb211c80319c");
    expect(received.parentSpanId).toBe("b7ad6b7169203331");
    expect(received.kind).toBe(5);
    expect(received.attributes).toEqual({
      "messaging.system": "nats",
      "messaging.operation.name": "process",
      "messaging.operation.type": "process",
      "messaging.destination.name": "scbe.v1.request.openai",
      "messaging.consumer.group.name": "gateways",
      "messaging.message.body.size": 12,
      "error.type": "BUSY",
    });
  });

  test("travels in traceparent and tracestate, and in no other header", () => {
    const header = (name: string): string | undefined =>
      ({ traceparent: REMOTE, tracestate: "vendor=1", baggage: "user=alice" })[name];
    const extracted = extractTrace(header);
    expect(propagation.getBaggage(extracted)).toBeUndefined();
    const baggage = propagation.createBaggage({ user: { value: "alice" } });
    expect(injectTrace(propagation.setBaggage(extracted, baggage))).toEqual({
      traceparent: REMOTE,
      tracestate: "vendor=1",
    });
  });

  test.each([
    ["nothing", undefined],
    ["an unknown version's shape", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    ["ids of zeros", "00-00000000000000000000000000000000-b7ad6b7169203331-01"],
    ["a line of 64 KiB", `${REMOTE}${"0".repeat(65_536)}`],
    ["other text", "traceparent"],
  ])("does not continue with %s as traceparent", (_, traceparent) => {
    const parent = extractTrace((name) => (name === "traceparent" ? traceparent : undefined));
    expect(injectTrace(parent)).toEqual({});
  });

  test("that its sender does not sample costs nothing: no span, no header", () => {
    const parent = extractTrace((name) => (name === "traceparent" ? REMOTE.replace(/01$/, "00") : undefined));
    const span = processSpan("scbe.v1.request.openai", { queue: "gateways", bytes: 1 }, parent);
    expect(span.isRecording()).toBe(false);
    inSpan(
      span,
      () => {
        expect(startSpan("below an unsampled span")).toBe(span);
        expect(injectTrace()).toEqual({});
        expect(headersOf(span)).toEqual({});
        expect(traceIdOf(span)).toBeUndefined();
      },
      parent,
    );
  });
});

test("a log line has the id of its trace inside a request, and none outside", () => {
  const logs = collectLogs();
  logs.log.info("outside");
  const span = beginSpan("logs");
  const { traceId } = span.spanContext();
  whileIn(span, () => logs.log.info("inside"));
  expect(logs.lines[0]).not.toHaveProperty("trace_id");
  expect(logs.lines[1]).toMatchObject({ msg: "inside", trace_id: traceId });
});

test("exported spans have the service, its version and OTEL_RESOURCE_ATTRIBUTES, and nothing about the process", async () => {
  beginSpan("resource").end();
  await collector.span("resource");
  expect(collector.text).toContain("1.2.3");
  expect(collector.text).toContain("deployment.environment.name");
  expect(collector.text).toContain("service.instance.id");
  expect(collector.text).not.toMatch(/process\.(command|owner|executable|pid)/);
});
