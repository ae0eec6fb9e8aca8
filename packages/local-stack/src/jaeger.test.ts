import { describe, expect, it } from "vitest";
import { eventually } from "./eventually.ts";
import { requireTool } from "./find-tool.ts";
import { type JaegerServer, startJaeger } from "./jaeger.ts";

const jaeger = requireTool("jaeger");

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const ROOT = "b7ad6b7169203331";

describe.skipIf(!jaeger.ok)("a Jaeger", () => {
  it("takes spans by OTLP, and finds traces by their id, a service and an attribute", async () => {
    await using server = await startJaeger();
    await send(server);
    await eventually(async () => (await server.trace(TRACE))?.spans.length === 2);
    const trace = await server.trace(TRACE);
    expect(trace?.spans.find(({ name }) => name === "child")).toMatchObject({
      traceId: TRACE,
      parentSpanId: ROOT,
      service: "one",
      kind: "consumer",
      attributes: { "scbe.request_id": "r-1", tries: 5 },
      error: "replay",
      resource: { "service.version": "1.2.3" },
      events: [{ event: "looked", where: "here" }],
    });
    expect(trace?.spans.find(({ name }) => name === "root")).not.toHaveProperty("parentSpanId");
    expect(await server.services()).toEqual(["one"]);
    const search = { service: "one", tag: "scbe.request_id" };
    expect(await server.tracesByTag({ ...search, value: "r-1" })).toMatchObject([{ traceId: TRACE }]);
    expect(await server.tracesByTag({ ...search, value: "r-2" })).toEqual([]);
    expect(await server.traces("one")).toHaveLength(1);
    expect(await server.text("one")).toContain("r-1");
    expect(await server.trace("0".repeat(31).concat("1"))).toBeUndefined();
    expect(await server.traces("another")).toEqual([]);
  });
});

async function send({ otlpUrl }: JaegerServer): Promise<void> {
  const now = BigInt(Date.now()) * 1_000_000n;
  const span = {
    traceId: TRACE,
    startTimeUnixNano: String(now),
    endTimeUnixNano: String(now + 5_000_000n),
  };
  const string = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  const event = { name: "looked", timeUnixNano: String(now), attributes: [string("where", "here")] };
  const child = {
    ...span,
    spanId: "b7ad6b7169203332",
    parentSpanId: ROOT,
    name: "child",
    kind: 5,
    attributes: [string("scbe.request_id", "r-1"), { key: "tries", value: { intValue: "5" } }],
    status: { code: 2, message: "replay" },
    events: [event],
  };
  const spans = [{ ...span, spanId: ROOT, name: "root", kind: 4 }, child];
  const resource = { attributes: [string("service.name", "one"), string("service.version", "1.2.3")] };
  const response = await fetch(`${otlpUrl}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }),
  });
  if (!response.ok) throw new Error(await response.text());
}
