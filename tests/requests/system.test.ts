import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Client, Handler, ServeOptions } from "@scbe/client";
import { ScbeError, subjectOf } from "@scbe/contracts";
import { type Clock, systemClock } from "@scbe/runtime";
import { connectProbe, eventually, startProcess } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RawCaller, rawCaller } from "../kit/raw-clients.ts";
import { type System, startSystem } from "../kit/system.ts";

let system: System;
let orchestrator: Client;

beforeAll(async () => {
  system = await startSystem({ intents: ["chat", "tools"], envelope: false });
  orchestrator = await system.orchestrator();
});
afterAll(async () => {
  await orchestrator?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
});

const echo: Handler = ({ body, header }) => ({ body, contentType: header.content_type });
const asked = { provider: "openai", model: "gpt-5", intent: "chat", timeoutMs: 10_000 };
const hello = Buffer.from("Grüß Gott, Welt");

/** Starts a gateway of openai that serves until disposed. */
async function serving(handler: Handler, options: Partial<ServeOptions> = {}): Promise<AsyncDisposable> {
  const client = await system.gateway("openai");
  await client.serve({ provider: "openai", handler, ...options });
  return client;
}

describe("a request that succeeds", () => {
  test.each([
    ["of some text", hello],
    ["that is empty", Buffer.alloc(0)],
    ["of 256 KiB", Buffer.alloc(256 * 1024, 0xa5)],
  ])("a body %s arrives at the handler and comes back, unaltered", async (_case, body) => {
    const seen: Uint8Array[] = [];
    await using _gateway = await serving((call) => {
      seen.push(call.body);
      return echo(call);
    });
    const answer = await orchestrator.request({ ...asked, body, contentType: "text/plain" });
    expect(Buffer.from(answer.body).equals(body)).toBe(true);
    expect(seen.map((it) => Buffer.from(it).equals(body))).toEqual([true]);
    expect(answer).toMatchObject({ contentType: "text/plain", envelopes: 1 });
  });

  test("64 at once are all answered, each with its own body", async () => {
    await using _gateway = await serving(echo);
    const bodies = Array.from({ length: 64 }, (_, index) => Buffer.from(`body ${index}`));
    const answers = await Promise.all(bodies.map((body) => orchestrator.request({ ...asked, body })));
    expect(answers.map((answer) => Buffer.from(answer.body).toString())).toEqual(bodies.map(String));
  });

  test("a request that takes longer than the accept timeout is answered, under one envelope", async () => {
    await using _gateway = await serving(async (call) => {
      await delay(1300);
      return echo(call);
    });
    expect(await orchestrator.request({ ...asked, body: hello })).toMatchObject({ envelopes: 1 });
  });
});

describe("a request that the handler does not answer", () => {
  test("a handler's ScbeError reaches the caller with its code and public text", async () => {
    await using _gateway = await serving(() => {
      throw new ScbeError("FORBIDDEN", "this model is not for you", { cause: new Error("secret") });
    });
    const failure = await orchestrator.request({ ...asked, body: hello }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "FORBIDDEN", message: "this model is not for you" });
    expect(failure).not.toHaveProperty("cause");
  });

  test("any other error reaches the caller without its text", async () => {
    await using _gateway = await serving(() => {
      throw new Error("the database's password is 1234");
    });
    const failure = await orchestrator.request({ ...asked, body: hello }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "HANDLER_FAILED" });
    expect(String(failure)).not.toContain("password");
  });

  test("a response over the bus's limit is a sealed TOO_LARGE that names the limit", async () => {
    await using _gateway = await serving(() => ({ body: Buffer.alloc(9 * 1024 * 1024) }));
    await expect(orchestrator.request({ ...asked, body: hello })).rejects.toMatchObject({
      code: "TOO_LARGE",
      message: expect.stringContaining(String(8 * 1024 * 1024)),
    });
  });

  test("an abort of the caller aborts the handler's signal", async () => {
    const started = Promise.withResolvers<AbortSignal>();
    await using _gateway = await serving(async ({ signal, body }) => {
      started.resolve(signal);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return { body };
    });
    const giveUp = new AbortController();
    const request = orchestrator.request({ ...asked, body: hello, signal: giveUp.signal });
    const handlerSignal = await started.promise;
    giveUp.abort();
    await expect(request).rejects.toMatchObject({ code: "ABORTED" });
    await eventually(() => handlerSignal.aborted);
  });

  test("the deadline aborts the handler's signal, and the caller gets TIMEOUT", async () => {
    const started = Promise.withResolvers<AbortSignal>();
    await using _gateway = await serving(async ({ signal, body }) => {
      started.resolve(signal);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return { body };
    });
    const request = orchestrator.request({ ...asked, body: hello, timeoutMs: 400 });
    await expect(request).rejects.toMatchObject({ code: "TIMEOUT" });
    const signal = await started.promise;
    await eventually(() => signal.aborted);
  });
});

describe("a request that cannot be sent", () => {
  test.each([
    ["a provider that is not served", { provider: "unknown" }, "NO_KEYS"],
    ["an intent that is not served", { intent: "nothing" }, "NO_KEYS"],
    ["a malformed model", { model: "two words" }, "BAD_REQUEST"],
    ["a malformed request id", { requestId: "1" }, "BAD_REQUEST"],
    ["a timeout above the limit", { timeoutMs: 121_000 }, "BAD_REQUEST"],
    ["a provider without a gateway", { provider: "anthropic" }, "NO_RESPONDERS"],
  ])("%s fails at once", async (_case, change, code) => {
    await expect(orchestrator.request({ ...asked, body: hello, ...change })).rejects.toMatchObject({ code });
  });

  test("a body over the bus's limit is TOO_LARGE, and names the limit", async () => {
    const body = Buffer.alloc(8 * 1024 * 1024);
    await expect(orchestrator.request({ ...asked, body })).rejects.toMatchObject({
      code: "TOO_LARGE",
      message: expect.stringContaining(String(8 * 1024 * 1024)),
    });
  });
});

describe("an envelope that must not be opened", () => {
  let caller: RawCaller;
  let gateways: AsyncDisposable[];
  let handled = 0;

  beforeAll(async () => {
    caller = await rawCaller(system);
    const count: Handler = (call) => {
      handled += 1;
      return echo(call);
    };
    gateways = await Promise.all(
      ["openai", "anthropic"].map(async (provider) => {
        const client = await system.gateway(provider);
        await client.serve({ provider, intents: ["chat"], handler: count });
        return client;
      }),
    );
  });
  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway[Symbol.asyncDispose]()));
    await caller[Symbol.asyncDispose]();
  });

  const seal = (from: RawCaller = caller, change: { intent?: string } = {}): Uint8Array =>
    from.verifier.sealer.sealRequest({
      provider: "openai",
      model: "gpt-5",
      intent: "chat",
      requestId: crypto.randomUUID(),
      body: hello,
      ...change,
    }).bytes;

  const past: Clock = { now: () => Date.now() - 500_000, monotonic: systemClock.monotonic };
  const cases: [string, () => Promise<{ bytes: Uint8Array; provider?: string }>][] = [
    ["a request that was opened before", async () => ({ bytes: await sendOnce(seal()) })],
    ["a flipped bit in the body", async () => ({ bytes: flipped(seal(), -20) })],
    ["a flipped bit in the header", async () => ({ bytes: flipped(seal(), 60) })],
    ["an envelope for another provider", async () => ({ bytes: seal(), provider: "anthropic" })],
    [
      "an intent that this gateway does not serve",
      async () => ({ bytes: seal(caller, { intent: "tools" }) }),
    ],
    ["an unknown kid", async () => ({ bytes: withOtherKid(seal()) })],
    ["a response", async () => ({ bytes: (await caller.send("openai", seal())).data })],
    [
      "a stale one",
      async () => {
        await using late = await rawCaller(system, past);
        return { bytes: seal(late) };
      },
    ],
    ["bytes that are not an envelope", async () => ({ bytes: Buffer.from("hello") })],
    ["nothing", async () => ({ bytes: new Uint8Array(0) })],
  ];

  async function sendOnce(bytes: Uint8Array): Promise<Uint8Array> {
    expect(await caller.send("openai", bytes)).toMatchObject({ status: "sealed" });
    return bytes;
  }

  test.each(cases)(
    "%s is refused with noise, not before the noise floor, and reaches no handler",
    async (_case, make) => {
      const { bytes, provider = "openai" } = await make();
      const before = handled;
      const answer = await caller.send(provider, bytes);
      expect(answer.status).toBe("refused");
      expect(answer.data).toHaveLength(512);
      expect(answer.afterMs).toBeGreaterThanOrEqual(699);
      expect(handled).toBe(before);
      const again = await caller.send(provider, bytes);
      expect(Buffer.from(again.data).equals(answer.data)).toBe(true);
    },
  );

  test("a request whose reply subject is not an inbox is dropped", async () => {
    await using forger = await connectProbe({
      name: "orchestrator",
      transport: system.transport("orchestrator"),
    });
    const before = handled;
    await forger.publish(
      subjectOf("request", { user: "orchestrator", provider: "openai" }),
      seal(),
      subjectOf("cancel", { provider: "openai" }),
    );
    expect(await caller.send("openai", seal())).toMatchObject({ status: "sealed" });
    expect(handled).toBe(before + 1);
  });
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Buffer.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy.writeUInt8(copy.readUInt8(index) ^ 1, index);
  return copy;
}

/** The same envelope under another kid of the same length. */
function withOtherKid(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  const at = copy.indexOf('"kid":"') + 8;
  copy.write(copy.toString("latin1", at, at + 1) === "x" ? "y" : "x", at);
  return copy;
}

describe("when a process stops, freezes or restarts", () => {
  test("a stopping gateway answers all requests in flight", async () => {
    const gateway = await serving(async (call) => {
      await delay(400);
      return echo(call);
    });
    const requests = Array.from({ length: 20 }, () => orchestrator.request({ ...asked, body: hello }));
    await delay(100);
    await gateway[Symbol.asyncDispose]();
    const answers = await Promise.all(requests);
    expect(answers.every(({ envelopes }) => envelopes === 1)).toBe(true);
    await expect(orchestrator.request({ ...asked, body: hello })).rejects.toMatchObject({
      code: "NO_RESPONDERS",
    });
  });

  test("a handler that outlasts the drain time is aborted, and its request gets a sealed answer", async () => {
    const gateway = await serving(
      async ({ signal, body }) => {
        await new Promise((_resolve, reject) => signal.addEventListener("abort", reject));
        return { body };
      },
      { drainMs: 200 },
    );
    const request = orchestrator.request({ ...asked, body: hello });
    await delay(100);
    const disposed = gateway[Symbol.asyncDispose]();
    await expect(request).rejects.toMatchObject({ code: "NOT_READY" });
    await disposed;
  });

  test("a full gateway answers busy, and the caller sends the request again", async () => {
    await using _gateway = await serving(
      async (call) => {
        await delay(30);
        return echo(call);
      },
      { concurrency: 1 },
    );
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => orchestrator.request({ ...asked, body: hello })),
    );
    expect(Math.max(...answers.map(({ envelopes }) => envelopes))).toBeGreaterThan(1);
  });

  test("a frozen gateway costs its callers a fresh envelope to another one", async () => {
    await using frozen = startProcess(
      process.execPath,
      [fileURLToPath(new URL("../kit/echo-gateway-program.ts", import.meta.url))],
      { ipc: true, env: system.environment("gateway-openai") },
    );
    await frozen.output(/serving/);
    await using _gateway = await serving(echo);
    frozen.pause();
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => orchestrator.request({ ...asked, body: hello })),
    );
    const envelopes = answers.map((answer) => answer.envelopes);
    expect(Math.max(...envelopes)).toBeGreaterThan(1);
  });

  test("without the keyring, clients with keys continue; when it is back, new clients get theirs", async () => {
    await using _gateway = await serving(echo);
    await system.keyring.kill();
    await orchestrator.request({ ...asked, body: hello });
    const newcomer = system.orchestrator();
    await system.keyring.restart();
    await using client = await newcomer;
    expect(await client.request({ ...asked, body: hello })).toMatchObject({ envelopes: 1 });
  });

  test("a Redis that lost all data costs a fresh envelope, and no request", async () => {
    await using _gateway = await serving(echo);
    await orchestrator.request({ ...asked, body: hello });
    await system.redis?.restart();
    const answers = [];
    for (let index = 0; index < 3; index += 1) {
      answers.push(await orchestrator.request({ ...asked, body: hello }));
    }
    expect(answers.map(({ envelopes }) => envelopes).slice(1)).toEqual([1, 1]);
  });

  test("after a restart of the replay guard, requests are answered", async () => {
    await using _gateway = await serving(echo);
    await system.guards[0]?.restart();
    expect(await orchestrator.request({ ...asked, body: hello })).toMatchObject({ body: expect.anything() });
  });

  test("after a restart of nats-server, requests are answered", async () => {
    await using _gateway = await serving(echo);
    await orchestrator.request({ ...asked, body: hello });
    await system.nats.server.restart();
    await eventually(() => orchestrator.request({ ...asked, body: hello, timeoutMs: 3000 }), {
      timeoutMs: 15_000,
      everyMs: 200,
    });
  });
});
