import {
  closedPort,
  type Deployment,
  eventually,
  type NatsServer,
  startDeployment,
  startNats,
} from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { RawCaller } from "../test/raw-caller.ts";
import { ScriptedGateway } from "../test/scripted-gateway.ts";
import { type Client, type ConnectOptions, connect } from "./index.ts";

const options = {
  provider: "openai",
  model: "gpt-5",
  intent: "chat",
  body: Buffer.from("x"),
  timeoutMs: 5000,
};
let deployment: Deployment;
let gateway: ScriptedGateway;

beforeAll(async () => {
  deployment = await startDeployment();
  const bus = await deployment.connect("gateway-openai");
  gateway = new ScriptedGateway(bus, deployment.keyring);
  await bus.flush();
});
afterAll(() => deployment[Symbol.asyncDispose]());
beforeEach(() => gateway.reset());

/** The error of connecting. */
async function failure(options: ConnectOptions): Promise<{ code: string; message: string; afterMs: number }> {
  const started = performance.now();
  try {
    await using _client = await connect(options);
  } catch (error) {
    return {
      ...(error as Error & { code: string }),
      message: (error as Error).message,
      afterMs: performance.now() - started,
    };
  }
  throw new Error("it connected");
}

describe("connecting", () => {
  let empty: NatsServer;
  beforeAll(async () => {
    empty = await startNats();
  });
  afterAll(() => empty[Symbol.asyncDispose]());

  const lonely = (): ConnectOptions => {
    const options = deployment.options("orchestrator");
    return { ...options, transport: { ...options.transport, servers: [empty.url] }, timeoutMs: 600 };
  };

  test("is a TIMEOUT that lists what is missing, and why", async () => {
    const { code, message, afterMs } = await failure(lonely());
    expect(code).toBe("TIMEOUT");
    expect(message).toMatch(/keys: no active key for openai\/chat.*NO_RESPONDERS.*epoch: /);
    expect(message).not.toMatch(/nats/);
    expect(afterMs).toBeLessThan(5000);
  });

  test("as a gateway does not wait for an epoch", async () => {
    expect((await failure({ ...lonely(), role: "gateway" })).message).not.toContain("epoch");
  });

  test("is ABORTED as soon as its signal aborts, with or without NATS", async () => {
    using closed = await closedPort();
    const unreachable = { servers: [`nats://127.0.0.1:${closed.port}`] };
    for (const transport of [lonely().transport, { ...lonely().transport, ...unreachable }]) {
      const options = { ...lonely(), ...(transport && { transport }), timeoutMs: 10_000 };
      const { code, afterMs } = await failure({ ...options, signal: AbortSignal.timeout(150) });
      expect(code).toBe("ABORTED");
      expect(afterMs).toBeLessThan(5000);
    }
    expect((await failure({ ...lonely(), signal: AbortSignal.abort() })).code).toBe("ABORTED");
  });

  test("without NATS is a TIMEOUT that names its servers", async () => {
    using closed = await closedPort();
    const url = `nats://127.0.0.1:${closed.port}`;
    const { code, message } = await failure({ ...lonely(), transport: { servers: [url] } });
    expect(code).toBe("TIMEOUT");
    expect(message).toContain(url);
  });

  test("without an nkey is BAD_REQUEST, and names its variables", async () => {
    const { code, message } = await failure({ ...lonely(), transport: { servers: [empty.url] } });
    expect(code).toBe("BAD_REQUEST");
    expect(message).toContain("NATS_NKEY_SEED_FILE");
  });

  test.each<[string, Partial<ConnectOptions>]>([
    ["a name with a dot", { name: "a.b" }],
    ["a name that widens an inbox", { name: ">" }],
    ["no name", { name: "" }],
    ["a timeout of 0", { timeoutMs: 0 }],
    ["an infinite timeout", { timeoutMs: Number.POSITIVE_INFINITY }],
    ["a timeout of NaN", { timeoutMs: Number.NaN }],
  ])("with %s is BAD_REQUEST", async (_case, change) => {
    expect((await failure({ ...lonely(), ...change })).code).toBe("BAD_REQUEST");
  });
});

describe("a client", () => {
  test("has only the rights of its role", async () => {
    await using orchestrator = await deployment.orchestrator();
    await using other = await deployment.gateway();
    const handler = () => ({ body: new Uint8Array(0) });
    await expect(orchestrator.serve({ provider: "openai", handler })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
    await expect(other.request(options)).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  test("can share its registry with another one of the process", async () => {
    const metrics = new Registry();
    await using first = await deployment.orchestrator({ metrics });
    await using second = await deployment.orchestrator({ metrics });
    await first.request(options);
    await second.request(options);
    expect(await metrics.metrics()).toMatch(
      /openings_total\{[^}]*phase="response"[^}]*result="opened"[^}]*\} 2/,
    );
  });

  test("that has lost its connection is not ready, fails at once, and works again after the reconnect, with the new epoch", async () => {
    await using own = await startDeployment();
    const bus = await own.connect("gateway-openai");
    const { arrived } = new ScriptedGateway(bus, own.keyring);
    await bus.flush();
    await using client = await own.orchestrator();
    await client.request(options);
    await own.nats.kill();
    await eventually(() => !client.readiness.ready);
    await expect(client.request(options)).rejects.toMatchObject({ code: "DISCONNECTED" });
    own.guard.renew();
    await own.nats.restart();
    await eventually(() => client.request(options), { timeoutMs: 15_000, everyMs: 100 });
    const epoch = own.guard.epoch.toString("base64url");
    await eventually(async () => {
      await client.request(options);
      return arrived.at(-1)?.header.epoch === epoch;
    });
  });
});

describe("closing a client", () => {
  test("aborts an open request, and cancels it at its gateway", async () => {
    gateway.reset(() => undefined);
    const client = await deployment.orchestrator();
    const ended = expect(client.request(options)).rejects.toMatchObject({
      code: "ABORTED",
      message: expect.stringMatching(/closed/),
    });
    await eventually(() => gateway.arrived.length === 1);
    const started = performance.now();
    await client[Symbol.asyncDispose]();
    await ended;
    expect(performance.now() - started).toBeLessThan(5000);
    await eventually(() =>
      gateway.cancelled.some((hash) => hash.equals(gateway.arrived[0]?.hash ?? Buffer.alloc(0))),
    );
  });

  test.each(["busy", "refused"])(
    "aborts one that pauses after `%s`, and sends nothing more",
    async (status) => {
      gateway.reset(({ reply }) => reply(status));
      const client = await deployment.orchestrator();
      deployment.guard.tells = false;
      const ended = expect(client.request(options)).rejects.toMatchObject({ code: "ABORTED" });
      await eventually(() => gateway.arrived.length >= (status === "busy" ? 4 : 1));
      await client[Symbol.asyncDispose]();
      await ended;
      deployment.guard.tells = true;
      const { length } = gateway.arrived;
      await deployment.bus.flush();
      expect(gateway.arrived).toHaveLength(length);
    },
  );

  test("prevents new requests and gateways", async () => {
    const orchestrator = await deployment.orchestrator();
    const other = await deployment.gateway();
    await Promise.all([orchestrator, other].map((client: Client) => client[Symbol.asyncDispose]()));
    await expect(orchestrator.request(options)).rejects.toMatchObject({ code: "ABORTED" });
    const handler = () => ({ body: new Uint8Array(0) });
    await expect(other.serve({ provider: "openai", handler })).rejects.toMatchObject({ code: "ABORTED" });
  });

  test("while a gateway starts leaves none behind", async () => {
    const client = await deployment.gateway();
    const serving = client.serve({ provider: "openai", handler: () => ({ body: new Uint8Array(0) }) });
    const closed = client[Symbol.asyncDispose]();
    await expect(serving).rejects.toMatchObject({ code: expect.stringMatching(/ABORTED|DISCONNECTED/) });
    await closed;
  });

  test("drains its gateways first, and can be called twice", async () => {
    await using quiet = await startDeployment();
    const caller = new RawCaller(quiet.bus, quiet.keyring, quiet.guard);
    const client = await quiet.gateway();
    const started = Promise.withResolvers<void>();
    const letGo = Promise.withResolvers<void>();
    await client.serve({
      provider: "openai",
      handler: async ({ body }) => {
        started.resolve();
        await letGo.promise;
        return { body };
      },
    });
    const sealed = caller.seal();
    using sent = caller.send(sealed.bytes);
    await started.promise;
    const both = [client[Symbol.asyncDispose](), client[Symbol.asyncDispose]()];
    letGo.resolve();
    expect(caller.open(sealed, await sent.answered).text).toBe("Grüß Gott");
    await Promise.all(both);
  });

  test("works while NATS is away", async () => {
    const own = await startDeployment();
    const client = await own.gateway();
    await client.serve({ provider: "openai", handler: ({ body }) => ({ body }) });
    await own.nats.kill();
    await eventually(() => !client.readiness.ready);
    const started = performance.now();
    await client[Symbol.asyncDispose]();
    expect(performance.now() - started).toBeLessThan(5000);
    await own[Symbol.asyncDispose]();
  });

  test("in the same tick as a caller's abort throws no unhandled error", async () => {
    gateway.reset(() => undefined);
    const client = await deployment.orchestrator();
    const giveUp = new AbortController();
    const ended = expect(client.request({ ...options, signal: giveUp.signal })).rejects.toMatchObject({
      code: "ABORTED",
    });
    await eventually(() => gateway.arrived.length === 1);
    const closed = client[Symbol.asyncDispose]();
    giveUp.abort();
    await Promise.all([closed, ended]);
  });
});
