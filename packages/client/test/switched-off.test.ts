import { ScbeError, STATUS, serviceErrorHeaders } from "@scbe/contracts";
import {
  type Deployment,
  eventually,
  startDeployment,
  startTestController,
  type TestController,
} from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "../src/index.ts";
import { RawCaller } from "./raw-caller.ts";
import { ScriptedGateway } from "./scripted-gateway.ts";

/** An open request that is switched off: each side ends it independently of the other. */
let deployment: Deployment;
let controller: TestController;
const settings = () => ({ controlPublicKey: controller.publicKey });

beforeAll(async () => {
  deployment = await startDeployment();
  controller = await startTestController({ transport: { servers: [deployment.nats.url] } });
});
afterAll(async () => {
  await controller?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
});
afterEach(async () => {
  await controller.release();
  await controller.change({ scbe_envelope_verification: { enabled: true, providers: {} } });
});

const options = {
  provider: "openai",
  model: "gpt-5",
  intent: "chat",
  body: Buffer.from("Hello"),
  timeoutMs: 20_000,
};

describe("a request", () => {
  let gateway: ScriptedGateway;
  let client: Client;
  beforeAll(async () => {
    const bus = await deployment.connect("gateway-openai");
    gateway = new ScriptedGateway(bus, deployment.keyring);
    await bus.flush();
    client = await deployment.orchestrator(settings());
  });
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    gateway.reset(() => undefined);
  });

  const short = (): Promise<unknown> => client.request({ ...options, timeoutMs: 500 });

  /** Resolves when the client knows that nothing is switched off. */
  const on = (): Promise<unknown> => {
    gateway.reset();
    return eventually(short);
  };

  /** Returns a request that the gateway has accepted and never answers. */
  async function underWay(): Promise<{ readonly sent: Promise<unknown> }> {
    await on();
    gateway.reset((arrived) => arrived.reply(STATUS.accepted, new Uint8Array(0)));
    const sent = client.request(options);
    sent.catch(() => undefined);
    await eventually(() => gateway.arrived.length === 1);
    return { sent };
  }

  test("ends at a kill of its provider, and is cancelled at its gateway", async () => {
    const { sent } = await underWay();
    await controller.kill({ provider: "openai" });
    await expect(sent).rejects.toMatchObject({ code: "SWITCHED_OFF" });
    await eventually(() => gateway.cancelled.length === 1);
  });

  test("does not end at a kill of another provider, or by a flag: a sealed request gets its sealed answer", async () => {
    const { sent } = await underWay();
    await controller.kill({ provider: "xai" });
    await controller.change({ scbe_envelope_verification: { enabled: false, providers: {} } });
    await eventually(() => expect(short()).rejects.toMatchObject({ code: "SWITCHED_OFF" }));
    gateway.arrived[0]?.answer("done");
    await expect(sent).resolves.toMatchObject({ isSealed: true });
  });

  test("that a gateway refuses as switched off is sent again only if this process learns of a switch", async () => {
    await on();
    gateway.reset((arrived) => {
      arrived.send(new Uint8Array(0), serviceErrorHeaders(new ScbeError("SWITCHED_OFF", "from the gateway")));
    });
    await expect(client.request(options)).rejects.toMatchObject({ code: "SWITCHED_OFF" });
    expect(gateway.arrived).toHaveLength(1);
  });
});

describe("a gateway", () => {
  test("aborts an open request, reports that to its caller, and releases no answer", async () => {
    await using client = await deployment.gateway(settings());
    const aborted = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    await using _gateway = await client.serve({
      provider: "openai",
      drainMs: 0,
      handler: ({ signal, body }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => aborted.resolve());
          started.resolve();
          void aborted.promise.then(() => resolve({ body }));
        }),
    });
    const caller = new RawCaller(deployment.bus, deployment.keyring, deployment.guard);
    using sent = caller.send(caller.seal().bytes);
    await started.promise;
    await controller.kill();
    await aborted.promise;
    const reply = await sent.answered;
    expect(reply).toMatchObject({ status: undefined, error: "SWITCHED_OFF" });
    expect(reply.data).toHaveLength(0);
  });
});
