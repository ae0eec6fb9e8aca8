import { readFileSync } from "node:fs";
import { headersOf, withTrace } from "@scbe/bus";
import type { Client, Handler, RequestOptions, ServeOptions } from "@scbe/client";
import { subjectOf } from "@scbe/contracts";
import { decodeRequests } from "@scbe/examples/decode-requests";
import { PROVIDER_NAMES } from "@scbe/examples/providers";
import { sendRequests } from "@scbe/examples/send-requests";
import { type Clock, systemClock } from "@scbe/runtime";
import { eventually, type JaegerTrace, type RunningProcess, requireTool } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startExample } from "../kit/example-program.ts";
import { forge, headerOf, type KnownKeys, knownKeys } from "../kit/known-keys.ts";
import { type RawAnswer, type RawCaller, rawCaller } from "../kit/raw-clients.ts";
import {
  ARRIVAL,
  eventualTree,
  spansNamed,
  startTracedSystem,
  type TracedSystem,
  treeOf,
} from "./traced-system.ts";

const OWN_PROVIDERS = ["traced", "bench"];
const examples = decodeRequests(readFileSync(new URL("../../examples/requests.jsonl", import.meta.url)));

describe.skipIf(!requireTool("jaeger").ok)("in Jaeger,", () => {
  let traced: TracedSystem;
  let tracedGateway: RunningProcess;
  let orchestrator: Client;

  beforeAll(async () => {
    traced = await startTracedSystem({
      providers: [...PROVIDER_NAMES, ...OWN_PROVIDERS],
      intents: ["chat", "tools"],
      envelope: false,
      examples: PROVIDER_NAMES,
    });
    tracedGateway = await traced.startTracedGateway("traced");
    orchestrator = await traced.system.orchestrator();
  }, 120_000);
  afterAll(async () => {
    await orchestrator?.[Symbol.asyncDispose]();
    await traced?.[Symbol.asyncDispose]();
  });

  const asked = { provider: "traced", model: "m-1", intent: "chat", timeoutMs: 10_000 };
  const hello = Buffer.from("Grüß Gott, Welt");

  /** Waits for the one trace of a request, with that tree. */
  async function traceOf(requestId: string, tree: readonly string[]): Promise<JaegerTrace> {
    const trace = await eventualTree(
      async () => (await tracesOf(requestId))[0],
      (found) => expect(found).toEqual(tree),
    );
    expect(await tracesOf(requestId)).toHaveLength(1);
    return trace;
  }

  function tracesOf(requestId: string): Promise<readonly JaegerTrace[]> {
    return traced.jaeger.tracesByTag({ service: "orchestrator", tag: "scbe.request_id", value: requestId });
  }

  /** Sends a request that fails. @returns its code */
  async function failing(change: Partial<RequestOptions>) {
    const requestId = crypto.randomUUID();
    const { code } = (await orchestrator
      .request({ ...asked, body: hello, requestId, ...change })
      .catch((error: unknown) => error)) as { code?: string };
    return { requestId, code };
  }

  /** A gateway of `bench` in the test's own process, until it is disposed of. */
  async function serving(handler: Handler, options: Partial<ServeOptions> = {}): Promise<AsyncDisposable> {
    const client = await traced.system.gateway("bench");
    await client.serve({ provider: "bench", handler, ...options });
    return client;
  }

  /** The spans of a request with one envelope, below the caller's `scbe.request`. */
  const answeredBy = (provider: string, caller = "orchestrator"): string[] => [
    `${caller}: scbe.request`,
    `  ${caller}: request scbe.v1.request.orchestrator.${provider}`,
    `    gateway-${provider}: process scbe.v1.request.orchestrator.${provider}`,
    `      gateway-${provider}: scbe.handle`,
    `        gateway-${provider}: POST`,
    `      gateway-${provider}: scbe.open`,
    `        gateway-${provider}: request scbe.v1.replay.admit.gateway-${provider}.${provider}`,
    `          replay-guard: process scbe.v1.replay.admit.gateway-${provider}.${provider}`,
    `      gateway-${provider}: scbe.seal`,
    `    ${caller}: scbe.open`,
    `  ${caller}: scbe.seal`,
  ];

  describe("every request of the examples", () => {
    /** Sends all examples. @returns the provider of each, by request id */
    async function sendAll(): Promise<Map<string, string>> {
      const sent = new Map<string, string>();
      const client: Pick<Client, "request"> = {
        request: (options: RequestOptions) => {
          const requestId = crypto.randomUUID();
          sent.set(requestId, options.provider);
          return orchestrator.request({ ...options, requestId });
        },
      };
      for await (const row of sendRequests(client, examples)) expect(row).toMatchObject({ verdict: "ok" });
      return sent;
    }

    test("is found by its id, as one connected trace from the caller to the provider and back", async () => {
      const sent = await sendAll();
      expect(sent.size).toBe(examples.length);
      for (const [requestId, provider] of sent) await traceOf(requestId, answeredBy(provider));
    });

    test("has spans with the attributes of the messaging conventions and of the verified header", async () => {
      const requestId = crypto.randomUUID();
      const [example = { ...asked, body: hello }] = examples;
      const { provider } = example;
      await orchestrator.request({ ...example, requestId });
      const trace = await traceOf(requestId, answeredBy(provider));
      const subject = subjectOf("request", { user: "orchestrator", provider });
      const [request] = spansNamed(trace, `request ${subject}`);
      expect(request?.attributes).toMatchObject({
        "span.kind": "producer",
        "messaging.system": "nats",
        "messaging.operation.name": "request",
        "messaging.operation.type": "send",
        "messaging.destination.name": subject,
        "scbe.landing": "answered",
      });
      const [processed] = spansNamed(trace, `process ${subject}`);
      expect(processed?.attributes).toMatchObject({
        "span.kind": "consumer",
        "messaging.system": "nats",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "gateways",
        "scbe.request_id": requestId,
        "scbe.provider": provider,
        "scbe.model": example.model,
        "scbe.intent": "chat",
      });
      const [call] = spansNamed(trace, "POST");
      expect(call?.attributes).toMatchObject({
        "span.kind": "client",
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
      });
      const [admit] = spansNamed(
        trace,
        `process ${subjectOf("admit", { user: `gateway-${provider}`, provider })}`,
      );
      expect(admit?.attributes).toMatchObject({ "span.kind": "consumer", "scbe.verdict": "fresh" });
    });

    test("of the orchestrator as a process is there when it has ended, under its configured service name", async () => {
      const service = "orchestrator-program";
      const env = { OTEL_SERVICE_NAME: service };
      await using program = startExample(traced.system, "orchestrator", { user: "orchestrator", env });
      expect(await program.exited).toEqual({ code: 0, signal: null });
      const expected = examples.map(({ provider }) => answeredBy(provider, service).join("\n"));
      await eventually(async () => {
        const trees = (await traced.jaeger.traces(service)).map((trace) => treeOf(trace).join("\n"));
        const found = trees.filter((tree) => tree.includes("scbe.request"));
        expect(found.toSorted()).toEqual(expected.toSorted());
        return true;
      }, ARRIVAL);
    }, 60_000);
  });

  describe("an envelope that is refused", () => {
    let caller: RawCaller;
    let keys: KnownKeys;

    beforeAll(async () => {
      caller = await rawCaller(traced.system);
      keys = await knownKeys(traced.system);
    });
    afterAll(() => caller?.[Symbol.asyncDispose]());

    const seal = (
      change: { provider?: string; intent?: string } = {},
      from: RawCaller = caller,
    ): Uint8Array =>
      from.verifier.sealer.sealRequest({ ...asked, requestId: crypto.randomUUID(), body: hello, ...change })
        .bytes;

    const sent = async (bytes: Uint8Array): Promise<Uint8Array> => {
      expect(await caller.send("traced", bytes)).toMatchObject({ status: "sealed" });
      return bytes;
    };

    const past: Clock = { now: () => Date.now() - 500_000, monotonic: systemClock.monotonic };
    /** The envelope, the reason of its refusal, the step, and whether the replay guard decided. */
    const cases: [string, () => Promise<Uint8Array> | Uint8Array, string, number, "admit"?][] = [
      ["bytes that are not an envelope", () => Buffer.from("hello"), "malformed", 1],
      ["an intent that is not served", () => seal({ intent: "tools" }), "not_served", 3],
      ["an envelope for another provider", () => seal({ provider: "openai" }), "not_served", 3],
      [
        "a stale one",
        async () => {
          await using late = await rawCaller(traced.system, past);
          return seal({}, late);
        },
        "time",
        4,
      ],
      ["an unknown kid", () => forgedUnder({ kid: "k-2000-01-01-aaaaaaaa" }), "unknown_key", 5],
      ["a wrong commitment", () => forgedUnder({ commitment: "A".repeat(43) }), "commitment", 6],
      ["a body that was altered", () => flipped(seal(), -20), "tag", 7],
      ["an envelope that was opened before", async () => sent(seal()), "replay", 8, "admit"],
      [
        "a nonce that was used for another body",
        async () => forge(keys, headerOf(await sent(seal())), Buffer.from("another body")),
        "nonce_reuse",
        8,
        "admit",
      ],
    ];

    function forgedUnder(change: object): Uint8Array {
      return forge(keys, { ...headerOf(seal()), ...change }, hello);
    }

    /** Sends an envelope within a trace of the sender. */
    function attack(bytes: Uint8Array): Promise<{ answer: RawAnswer; traceId: string }> {
      return withTrace("attack", {}, async (span) => ({
        answer: await caller.send("traced", bytes, headersOf(span)),
        traceId: span.spanContext().traceId,
      }));
    }

    test.each(cases)("as %s: only its trace says why", async (_case, make, reason, step, admit) => {
      const { answer, traceId } = await attack(await make());
      const admits = [
        `      gateway-traced: request scbe.v1.replay.admit.gateway-traced.traced !${verdictOf(reason)}`,
        `        replay-guard: process scbe.v1.replay.admit.gateway-traced.traced !${verdictOf(reason)}`,
      ];
      const trace = await eventualTree(
        () => traced.jaeger.trace(traceId),
        (tree) =>
          expect(tree).toEqual([
            "orchestrator: attack",
            "  gateway-traced: process scbe.v1.request.orchestrator.traced !refused",
            `    gateway-traced: scbe.open !${reason}`,
            ...(admit === undefined ? [] : admits),
          ]),
      );
      const [open] = spansNamed(trace, "scbe.open");
      expect(open?.attributes).toMatchObject({ "scbe.refusal": reason, "scbe.refusal_step": step });
      await expectNoise(answer);
    });

    /** The whole answer on the bus: a status, and bytes that look random. */
    async function expectNoise({ status, data }: RawAnswer): Promise<void> {
      expect([status, data.length]).toEqual(["refused", 512]);
      await traced.tap.settle();
      const answers = traced.tap.messages.filter((message) => message.data.equals(data));
      expect(answers.map(({ bytes, subject }) => bytes.subarray(subject.length, -512).toString())).toEqual([
        " \r\nscbe-status: refused\r\n\r\n",
      ]);
    }

    test("gets the same noise in a trace and outside a trace", async () => {
      const bytes = flipped(seal(), -20);
      const outside = await caller.send("traced", bytes);
      const { answer } = await attack(bytes);
      expect(Buffer.from(answer.data).equals(outside.data)).toBe(true);
    });

    test("of our own client is found by its request id", async () => {
      const { requestId, code } = await failing({ intent: "tools" });
      expect(code).toBe("REFUSED");
      const trace = await traceOf(requestId, [
        "orchestrator: scbe.request !REFUSED",
        "  orchestrator: request scbe.v1.request.orchestrator.traced !refused",
        "    gateway-traced: process scbe.v1.request.orchestrator.traced !refused",
        "      gateway-traced: scbe.open !not_served",
        "  orchestrator: scbe.seal",
      ]);
      expect(spansNamed(trace, "scbe.open")[0]?.attributes).toMatchObject({ "scbe.refusal": "not_served" });
    });
  });

  describe("a request that fails", () => {
    const opened = (provider: string, gateway: string): string[] => [
      `      ${gateway}: scbe.open`,
      `        ${gateway}: request scbe.v1.replay.admit.gateway-${provider}.${provider}`,
      `          replay-guard: process scbe.v1.replay.admit.gateway-${provider}.${provider}`,
      `      ${gateway}: scbe.seal`,
      "    orchestrator: scbe.open",
    ];

    test("in its handler: the spans at both ends say so, and the gateway's log line has the trace id", async () => {
      const { requestId, code } = await failing({ body: Buffer.from("fail") });
      expect(code).toBe("HANDLER_FAILED");
      const trace = await traceOf(requestId, [
        "orchestrator: scbe.request !HANDLER_FAILED",
        "  orchestrator: request scbe.v1.request.orchestrator.traced",
        "    gateway-traced: process scbe.v1.request.orchestrator.traced",
        "      gateway-traced: scbe.handle !INTERNAL",
        ...opened("traced", "gateway-traced"),
        "  orchestrator: scbe.seal",
      ]);
      const line = await lineOf(requestId);
      expect(line).toMatchObject({ msg: "the handler failed", trace_id: trace.traceId });
      expect(trace.spans.map(({ spanId }) => spanId)).toContain(line.span_id);
    });

    test("before it is sent: the trace has only the caller's spans", async () => {
      const { requestId, code } = await failing({ provider: "unknown" });
      expect(code).toBe("NO_KEYS");
      await traceOf(requestId, ["orchestrator: scbe.request !NO_KEYS", "  orchestrator: scbe.seal !NO_KEYS"]);
    });

    test("at a full gateway: every envelope has its own span, side by side in one trace", async () => {
      const [taken, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      await using _gateway = await serving(
        async ({ body }) => {
          taken.resolve();
          await release.promise;
          return { body };
        },
        { concurrency: 1 },
      );
      const first = orchestrator.request({ ...asked, provider: "bench", body: hello });
      await taken.promise;
      const { requestId, code } = await failing({ provider: "bench", timeoutMs: 500 });
      release.resolve();
      await first;
      expect(code).toBe("BUSY");
      const trace = await eventualTree(
        async () => (await tracesOf(requestId))[0],
        ([root]) => expect(root).toBe("orchestrator: scbe.request !BUSY"),
      );
      const [, ...below] = treeOf(trace);
      const envelopes = spansNamed(trace, "scbe.seal").length;
      expect(envelopes).toBeGreaterThan(1);
      expect(below).toEqual([
        ...Array(envelopes).fill("  orchestrator: request scbe.v1.request.orchestrator.bench !busy"),
        ...Array(envelopes).fill("  orchestrator: scbe.seal"),
      ]);
    });

    test("at a frozen gateway: the silent attempts are spans beside the answered one", async () => {
      const frozen = await traced.startTracedGateway("bench");
      await using _gateway = await serving(({ body }) => ({ body }));
      frozen.pause();
      const requests = Array.from({ length: 16 }, async () => {
        const requestId = crypto.randomUUID();
        const { envelopes } = await orchestrator.request({
          ...asked,
          provider: "bench",
          body: hello,
          requestId,
        });
        return { requestId, envelopes };
      });
      const sent = await Promise.all(requests);
      await frozen.kill();
      const [{ requestId, envelopes } = { requestId: "", envelopes: 0 }] = sent.toSorted(
        (a, b) => b.envelopes - a.envelopes,
      );
      expect(envelopes).toBeGreaterThan(1);
      const trace = await traceOf(requestId, [
        "orchestrator: scbe.request",
        "  orchestrator: request scbe.v1.request.orchestrator.bench",
        "    orchestrator: process scbe.v1.request.orchestrator.bench",
        "      orchestrator: scbe.handle",
        ...opened("bench", "orchestrator"),
        ...Array(envelopes - 1).fill("  orchestrator: request scbe.v1.request.orchestrator.bench !silent"),
        ...Array(envelopes).fill("  orchestrator: scbe.seal"),
      ]);
      expect(spansNamed(trace, "scbe.request")[0]?.attributes).toMatchObject({ "scbe.envelopes": envelopes });
    });

    /** The line of the traced gateway's log that names a request. */
    async function lineOf(requestId: string): Promise<Record<string, unknown>> {
      const [text] = await tracedGateway.output(new RegExp(`^.*${requestId}.*$`, "m"));
      return JSON.parse(text) as Record<string, unknown>;
    }
  });
});

function verdictOf(reason: string): string {
  return reason === "nonce_reuse" ? "reuse" : reason;
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Buffer.from(bytes);
  const index = copy.length + at;
  copy.writeUInt8(copy.readUInt8(index) ^ 1, index);
  return copy;
}
