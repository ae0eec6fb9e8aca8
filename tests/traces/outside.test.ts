import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { headersOf, withTrace } from "@scbe/bus";
import type { Client } from "@scbe/client";
import { ADMIT_ITEM_BYTES, encodeAdmitBatch, HEADERS, subjectOf } from "@scbe/contracts";
import { decodeRequests } from "@scbe/examples/decode-requests";
import { type JaegerTrace, requireTool } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "../access/plain-nats/ask.ts";
import { connectUser, type PlainConnection, type PlainUser } from "../access/plain-nats/connect-user.ts";
import { sealTraced, sendTraced, traceOf } from "../access/plain-nats/traced-caller.ts";
import { connectServiceCaller, type RawCaller, rawCaller, type ServiceCaller } from "../kit/raw-clients.ts";
import { eventualTree, spansNamed, startTracedSystem, type TracedSystem, treeOf } from "./traced-system.ts";

const PROVIDER = "openai";
const ADMIT = subjectOf("admit", { user: `gateway-${PROVIDER}`, provider: PROVIDER });
const [example] = decodeRequests(readFileSync(new URL("../../examples/requests.jsonl", import.meta.url)));
const chat = {
  ...example,
  provider: PROVIDER,
  model: "gpt-5",
  intent: "chat",
  body: example?.body ?? Buffer.alloc(0),
};

describe.skipIf(!requireTool("jaeger").ok)("in Jaeger,", () => {
  let traced: TracedSystem;
  let caller: PlainConnection;
  let gateway: PlainConnection;

  beforeAll(async () => {
    traced = await startTracedSystem({ examples: [PROVIDER] });
    [caller, gateway] = await Promise.all([
      plainUser("orchestrator", "orchestrator"),
      plainUser(`gateway-${PROVIDER}`, "gateway"),
    ]);
  }, 120_000);
  afterAll(async () => {
    await Promise.all([caller, gateway].map((it) => it?.nats.close()));
    await traced?.[Symbol.asyncDispose]();
  });

  function plainUser(name: string, role: PlainUser["role"]): Promise<PlainConnection> {
    const { url, credentials } = traced.system.nats;
    return connectUser({ name, role, servers: [url], seedFile: credentials.seedFile(name) });
  }

  /** Waits for the trace of that id with that tree. */
  function traceWith(id: string, tree: readonly string[]): Promise<JaegerTrace> {
    return eventualTree(
      () => traced.jaeger.trace(id),
      (found) => expect(found).toEqual(tree),
    );
  }

  /** A new traceparent. */
  function fresh(): { id: string; span: string; traceparent: string } {
    const [id, span] = [randomBytes(16).toString("hex"), randomBytes(8).toString("hex")];
    return { id, span, traceparent: `00-${id}-${span}-01` };
  }

  const idIn = (trace: Readonly<Record<string, string>>): string => trace.traceparent?.split("-")[1] ?? "";

  /** The spans of the example gateway for one request, below the span that sent it. */
  const AT_GATEWAY = [
    "gateway-openai: process scbe.v1.request.orchestrator.openai",
    "  gateway-openai: scbe.handle",
    "    gateway-openai: POST",
    "  gateway-openai: scbe.open",
    "    gateway-openai: request scbe.v1.replay.admit.gateway-openai.openai",
    "      replay-guard: process scbe.v1.replay.admit.gateway-openai.openai",
    "  gateway-openai: scbe.seal",
  ];
  const AS_CALLER = "orchestrator.openai.chat";
  const AS_GATEWAY = "gateway-openai.openai.chat";
  const SEALING = [`envelope: process scbe.v1.envelope.seal.request.${AS_CALLER}`, "  envelope: scbe.seal"];
  const OPENING = [`envelope: process scbe.v1.envelope.open.response.${AS_CALLER}`, "  envelope: scbe.open"];
  const below = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

  describe("a request in plain NATS through the envelope service", () => {
    test("that passes on the traceparent of its sealing is one trace, and its request id finds it", async () => {
      const request = await sealTraced(caller, PROVIDER, chat.body);
      await sendTraced(caller, PROVIDER, request, request.trace);
      const [root = "", sealing = ""] = SEALING;
      const trace = await traceWith(idIn(request.trace), [
        root,
        ...below(OPENING),
        sealing,
        ...below(AT_GATEWAY),
      ]);
      const search = { tag: "scbe.request_id", value: request.requestId };
      for (const service of ["envelope", "gateway-openai"]) {
        const found = await traced.jaeger.tracesByTag({ service, ...search });
        expect(found.map(({ traceId }) => traceId)).toEqual([trace.traceId]);
      }
    });

    test("that sends its own traceparent with all three messages is one trace, with that id", async () => {
      const { id, span, traceparent } = fresh();
      const request = await sealTraced(caller, PROVIDER, chat.body, { traceparent });
      expect(idIn(request.trace)).toBe(id);
      await sendTraced(caller, PROVIDER, request, { traceparent });
      await traceWith(id, [`(${span})`, ...below([...OPENING, ...SEALING, ...AT_GATEWAY])]);
    });

    test("is opened and answered by a plain gateway within the caller's trace", async () => {
      const { id, span, traceparent } = fresh();
      const { envelope, binding } = await sealTraced(caller, PROVIDER, chat.body, { traceparent });
      const subject = `scbe.v1.envelope.open.request.${AS_GATEWAY}`;
      const opened = await ask(gateway, subject, envelope, { traceparent });
      expect(idIn(traceOf(opened))).toBe(id);
      await ask(gateway, `scbe.v1.envelope.seal.response.${AS_GATEWAY}`, chat.body, {
        ...binding,
        ...traceOf(opened),
      });
      await traceWith(id, [
        `(${span})`,
        `  envelope: process scbe.v1.envelope.open.request.${AS_GATEWAY}`,
        `    envelope: process scbe.v1.envelope.seal.response.${AS_GATEWAY}`,
        "      envelope: scbe.seal",
        "    envelope: scbe.open",
        "      envelope: request scbe.v1.replay.admit.envelope.openai",
        "        replay-guard: process scbe.v1.replay.admit.envelope.openai",
        ...below(SEALING),
      ]);
    });

    test("that is refused gets only noise, and its trace says why", async () => {
      const { id, span, traceparent } = fresh();
      const before = traced.tap.messages.length;
      const subject = `scbe.v1.envelope.open.request.${AS_GATEWAY}`;
      const answer = await ask(gateway, subject, randomBytes(700), { traceparent });
      const trace = await traceWith(id, [
        `(${span})`,
        `  envelope: process scbe.v1.envelope.open.request.${AS_GATEWAY} !refused`,
        "    envelope: scbe.open !malformed",
      ]);
      expect(spansNamed(trace, "scbe.open")[0]?.attributes).toMatchObject({ "scbe.refusal": "malformed" });
      await traced.tap.settle();
      const heard = traced.tap.messages.slice(before).filter(({ data }) => data.equals(answer.data));
      expect(heard.map(({ bytes, subject: on }) => bytes.subarray(on.length, -512).toString())).toEqual([
        " \r\nscbe-status: refused\r\n\r\n",
      ]);
    });

    test("with a traceparent header in other letter case is in no trace of the caller", async () => {
      const { id, traceparent } = fresh();
      const request = await sealTraced(caller, PROVIDER, chat.body, { Traceparent: traceparent });
      await sendTraced(caller, PROVIDER, request, { ...request.trace, TRACEPARENT: traceparent });
      expect(idIn(request.trace)).not.toBe(id);
      await eventualTree(
        () => traced.jaeger.trace(idIn(request.trace)),
        (tree) => expect(tree).toHaveLength(SEALING.length + OPENING.length + AT_GATEWAY.length),
      );
      expect(await traced.jaeger.trace(id)).toBeUndefined();
    });
  });

  test("each of many requests in one admit batch has its own admit, and no other request's", async () => {
    await using client: Client = await traced.system.orchestrator();
    const before = traced.tap.messages.length;
    const ids = Array.from({ length: 64 }, () => crypto.randomUUID());
    const answers = await Promise.all(ids.map((requestId) => client.request({ ...chat, requestId })));
    await traced.tap.settle();
    const batches = traced.tap.messages.slice(before).filter(({ subject }) => subject === ADMIT);
    const sizes = batches.map(({ data }) => data.length / ADMIT_ITEM_BYTES);
    expect(Math.max(...sizes)).toBeGreaterThan(1);

    const whole = answers.map(({ traceId = "" }) =>
      eventualTree(
        () => traced.jaeger.trace(traceId),
        (tree) => expect(tree).toHaveLength(AT_GATEWAY.length + 4),
      ),
    );
    const traces = await Promise.all(whole);
    expect(new Set(traces.map(({ traceId }) => traceId)).size).toBe(ids.length);
    expect(
      traces.map((trace) => spansNamed(trace, "scbe.request")[0]?.attributes["scbe.request_id"]),
    ).toEqual(ids);
    for (const trace of traces) {
      const [asked, ...others] = spansNamed(trace, `request ${ADMIT}`);
      expect(others).toEqual([]);
      const decided = spansNamed(trace, `process ${ADMIT}`);
      expect(new Set(decided.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([asked?.spanId]));
    }
    // One span for each item of each message; a repeated batch is decided again.
    const decided = traces.flatMap((trace) => spansNamed(trace, `process ${ADMIT}`));
    expect(decided).toHaveLength(sizes.reduce((sum, size) => sum + size, 0));
  }, 60_000);

  describe("a hostile sender's trace headers", () => {
    let raw: RawCaller;
    let serviceCaller: ServiceCaller;
    /** A trace that must get no span of the hostile sender. */
    let victim: { readonly id: string; readonly traceparent: string };

    beforeAll(async () => {
      raw = await rawCaller(traced.system);
      serviceCaller = await connectServiceCaller(traced.system, `gateway-${PROVIDER}`);
      victim = withTrace("victim", {}, (span) => ({
        id: span.spanContext().traceId,
        traceparent: headersOf(span).traceparent ?? "",
      }));
      await traceWith(victim.id, ["orchestrator: victim"]);
    });
    afterAll(async () => {
      await serviceCaller?.[Symbol.asyncDispose]();
      await raw?.[Symbol.asyncDispose]();
    });

    const hostile: [string, () => Record<string, string>][] = [
      ["another shape", () => ({ traceparent: `${victim.traceparent}-01` })],
      ["an invalid version", () => ({ traceparent: victim.traceparent.replace(/^00/, "ff") })],
      ["upper case", () => ({ traceparent: victim.traceparent.toUpperCase() })],
      ["64 KiB", () => ({ traceparent: victim.traceparent + "0".repeat(65_536) })],
      ["64 KiB of other text", () => ({ traceparent: "x".repeat(65_536) })],
      [
        "a span id of zeros",
        () => ({ traceparent: victim.traceparent.replace(/[0-9a-f]{16}-01$/, `${"0".repeat(16)}-01`) }),
      ],
      ["a state of 64 KiB", () => ({ traceparent: "00-", tracestate: `a=${"b".repeat(65_536)}` })],
      ["the traces of a batch", () => ({ "scbe-traceparents": `0=${victim.traceparent}` })],
      [
        "other propagators' headers",
        () => ({ b3: victim.traceparent.slice(3, -3), "uber-trace-id": `${victim.id}:1:0:1` }),
      ],
    ];

    test.each(hostile)(
      "neither fail its request nor add a span to another trace: %s",
      async (_case, headers) => {
        const { bytes } = raw.verifier.sealer.sealRequest({ ...chat, requestId: crypto.randomUUID() });
        expect(await raw.send(PROVIDER, bytes, headers())).toMatchObject({ status: "sealed" });
        await settled(PROVIDER);
        expect(await treeOfVictim()).toEqual(["orchestrator: victim"]);
      },
    );

    test("are not echoed in the answer", async () => {
      const { traceparent } = fresh();
      const tracestate = "a=b";
      const { trace } = await sealTraced(caller, PROVIDER, chat.body, { traceparent, tracestate });
      expect(trace.traceparent).toContain(traceparent.slice(3, 35));
      expect(trace.tracestate).toBeUndefined();
    });

    const batches: [string, () => string][] = [
      ["thousands of items", () => Array.from({ length: 5000 }, () => `0=${victim.traceparent}`).join()],
      ["an index beyond the batch", () => `2=${victim.traceparent},255=${victim.traceparent}`],
      ["a negative index", () => `-1=${victim.traceparent}`],
      ["a traceparent with a suffix", () => `0=${victim.traceparent}-00`],
      ["a traceparent of an unknown version", () => `0=${victim.traceparent.replace(/^00/, "01")}`],
      ["no index", () => victim.traceparent],
      ["1 MiB of other text", () => "x".repeat(1_048_576)],
    ];

    test.each(batches)("in a batch do not affect the decision: %s", async (_case, traces) => {
      expect(await admit(2, traces())).toEqual(Buffer.from("xx"));
      await settled(PROVIDER);
      expect(await treeOfVictim()).toEqual(["orchestrator: victim"]);
    });

    test("a batch with traces for its own items has a span in each, with the verdict", async () => {
      const [one, two] = [fresh(), fresh()];
      expect(await admit(2, `0=${one.traceparent},1=${two.traceparent}`)).toEqual(Buffer.from("xx"));
      for (const { id, span } of [one, two]) {
        await traceWith(id, [`(${span})`, `  replay-guard: process ${ADMIT} !refused`]);
      }
    });

    /** Requests the admission of items of an unknown epoch. */
    async function admit(count: number, traces: string): Promise<Uint8Array> {
      const item = () => ({
        epoch: randomBytes(16),
        sessionId: randomBytes(32),
        counter: 1,
        replayNonce: randomBytes(24),
        tag: randomBytes(16),
        attempt: randomBytes(16),
      });
      const batch = encodeAdmitBatch(Array.from({ length: count }, item));
      const headers = { [HEADERS.traceparents]: traces };
      return Buffer.from((await serviceCaller.bus.request(ADMIT, batch, { timeoutMs: 5000, headers })).data);
    }

    async function treeOfVictim(): Promise<string[]> {
      const trace = await traced.jaeger.trace(victim.id);
      return trace === undefined ? [] : treeOf(trace);
    }

    /** Waits for the spans of a later request, so that earlier spans have arrived. */
    async function settled(provider: string): Promise<void> {
      const { id, traceparent } = fresh();
      const { bytes } = raw.verifier.sealer.sealRequest({ ...chat, requestId: crypto.randomUUID() });
      expect(await raw.send(provider, bytes, { traceparent })).toMatchObject({ status: "sealed" });
      await eventualTree(
        () => traced.jaeger.trace(id),
        (tree) => expect(tree).toHaveLength(1 + AT_GATEWAY.length),
      );
    }
  });
});
