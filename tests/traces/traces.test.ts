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

const WORKSHOPS = ["workshop", "bench"];
const examples = decodeRequests(readFileSync(new URL("../../examples/requests.jsonl", import.meta.url)));

describe.skipIf(!requireTool("jaeger").ok)("in Jaeger,", () => {
  let traced: TracedSystem;
  let workshop: RunningProcess;
  let orchestrator: Client;

  beforeAll(async () => {
    traced = await startTracedSystem({
      providers: [...PROVIDER_NAMES, ...WORKSHOPS],
      intents: ["chat", "tools"],
      envelope: false,
      examples: PROVIDER_NAMES,
    });
    workshop = await traced.startWorkshop("workshop");
    orchestrator = await traced.system.orchestrator();
  }, 120_000);
  afterAll(async () => {
    await orchestrator?.[Symbol.asyncDispose]();
    await traced?.[Symbol.asyncDispose]();
  });

  const asked = { provider: "workshop", model: "m-1", intent: "chat", timeoutMs: 10_000 };
  const hello = Buffer.from("Grüß Gott, Welt");

  /** The one trace of a request, by its id, once its tree is as expected. */
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

  /** Sends a request that fails, and tells its code. */
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

  /** What a request that takes one envelope leaves behind, below the caller's `scbe.request`. */
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
    /** Sends all of them; the provider of each by its request's id. */
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

    test("has its spans described by the messaging conventions, and by what was verified of it", async () => {
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

    test("of the orchestrator as a process is there too, under the service name that it was given, when it has ended", async () => {
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
      expect(await caller.send("workshop", bytes)).toMatchObject({ status: "sealed" });
      return bytes;
    };

    const past: Clock = { now: () => Date.now() - 500_000, monotonic: systemClock.monotonic };
    /** What is sent, why it is refused, in which step, and whether the replay guard was asked. */
    const cases: [string, () => Promise<Uint8Array> | Uint8Array, string, number, "admit"?][] = [
      ["no envelope at all", () => Buffer.from("hello"), "malformed", 1],
      ["an intent that is not served", () => seal({ intent: "tools" }), "not_served", 3],
      ["another provider's", () => seal({ provider: "openai" }), "not_served", 3],
      [
        "a stale one",
        async () => {
          await using late = await rawCaller(traced.system, past);
          return seal({}, late);
        },
        "time",
        4,
      ],
      ["a kid that nobody knows", () => forgedUnder({ kid: "k-2000-01-01-aaaaaaaa" }), "unknown_key", 5],
      ["a commitment that is none", () => forgedUnder({ commitment: "A".repeat(43) }), "commitment", 6],
      ["a body that was altered", () => flipped(seal(), -20), "tag", 7],
      ["one that was opened before", async () => sent(seal()), "replay", 8, "admit"],
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

    /** Sends it within a trace of the sender's own. */
    function attack(bytes: Uint8Array): Promise<{ answer: RawAnswer; traceId: string }> {
      return withTrace("attack", {}, async (span) => ({
        answer: await caller.send("workshop", bytes, headersOf(span)),
        traceId: span.spanContext().traceId,
      }));
    }

    test.each(cases)(
      "as %s: its trace says why, and the bus nothing",
      async (_case, make, reason, step, admit) => {
        const { answer, traceId } = await attack(await make());
        const admits = [
          `      gateway-workshop: request scbe.v1.replay.admit.gateway-workshop.workshop !${verdictOf(reason)}`,
          `        replay-guard: process scbe.v1.replay.admit.gateway-workshop.workshop !${verdictOf(reason)}`,
        ];
        const trace = await eventualTree(
          () => traced.jaeger.trace(traceId),
          (tree) =>
            expect(tree).toEqual([
              "orchestrator: attack",
              "  gateway-workshop: process scbe.v1.request.orchestrator.workshop !refused",
              `    gateway-workshop: scbe.open !${reason}`,
              ...(admit === undefined ? [] : admits),
            ]),
        );
        const [open] = spansNamed(trace, "scbe.open");
        expect(open?.attributes).toMatchObject({ "scbe.refusal": reason, "scbe.refusal_step": step });
        await expectNoise(answer);
      },
    );

    /** All that went over the bus as the answer: one status, and bytes that look random. */
    async function expectNoise({ status, data }: RawAnswer): Promise<void> {
      expect([status, data.length]).toEqual(["refused", 512]);
      await traced.tap.settle();
      const answers = traced.tap.messages.filter((message) => message.data.equals(data));
      expect(answers.map(({ bytes, subject }) => bytes.subarray(subject.length, -512).toString())).toEqual([
        " \r\nscbe-status: refused\r\n\r\n",
      ]);
    }

    test("in a trace is answered with the very noise that it is answered with outside of one", async () => {
      const bytes = flipped(seal(), -20);
      const outside = await caller.send("workshop", bytes);
      const { answer } = await attack(bytes);
      expect(Buffer.from(answer.data).equals(outside.data)).toBe(true);
    });

    test("is found by its request's id where our own client has sent it", async () => {
      const { requestId, code } = await failing({ intent: "tools" });
      expect(code).toBe("REFUSED");
      const trace = await traceOf(requestId, [
        "orchestrator: scbe.request !REFUSED",
        "  orchestrator: request scbe.v1.request.orchestrator.workshop !refused",
        "    gateway-workshop: process scbe.v1.request.orchestrator.workshop !refused",
        "      gateway-workshop: scbe.open !not_served",
        "  orchestrator: scbe.seal",
      ]);
      expect(spansNamed(trace, "scbe.open")[0]?.attributes).toMatchObject({ "scbe.refusal": "not_served" });
    });
  });

  describe("a request that goes wrong in another way", () => {
    const opened = (provider: string, gateway: string): string[] => [
      `      ${gateway}: scbe.open`,
      `        ${gateway}: request scbe.v1.replay.admit.gateway-${provider}.${provider}`,
      `          replay-guard: process scbe.v1.replay.admit.gateway-${provider}.${provider}`,
      `      ${gateway}: scbe.seal`,
      "    orchestrator: scbe.open",
    ];

    test("at its handler: the trace says so at both ends, and the gateway's log line has its id", async () => {
      const { requestId, code } = await failing({ body: Buffer.from("fail") });
      expect(code).toBe("HANDLER_FAILED");
      const trace = await traceOf(requestId, [
        "orchestrator: scbe.request !HANDLER_FAILED",
        "  orchestrator: request scbe.v1.request.orchestrator.workshop",
        "    gateway-workshop: process scbe.v1.request.orchestrator.workshop",
        "      gateway-workshop: scbe.handle !INTERNAL",
        ...opened("workshop", "gateway-workshop"),
        "  orchestrator: scbe.seal",
      ]);
      const line = await lineOf(requestId);
      expect(line).toMatchObject({ msg: "the handler failed", trace_id: trace.traceId });
      expect(trace.spans.map(({ spanId }) => spanId)).toContain(line.span_id);
    });

    test("before it is sent: nothing but the caller's own spans", async () => {
      const { requestId, code } = await failing({ provider: "nobody" });
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

    test("at a gateway that is frozen: the silent attempts stand beside the one that was answered", async () => {
      const frozen = await traced.startWorkshop("bench");
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

    /** The line of the workshop's log that names a request. */
    async function lineOf(requestId: string): Promise<Record<string, unknown>> {
      const [text] = await workshop.output(new RegExp(`^.*${requestId}.*$`, "m"));
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
