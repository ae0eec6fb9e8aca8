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

/** What is under way when it is switched off: each side ends it by itself, whatever the other one does. */
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

const asked = {
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

  const short = (): Promise<unknown> => client.request({ ...asked, timeoutMs: 500 });

  /** Resolves when the client has heard that nothing is off. */
  const on = (): Promise<unknown> => {
    gateway.reset();
    return eventually(short);
  };

  /** Resolves to one that a gateway has accepted; it says nothing more. */
  async function underWay(): Promise<{ readonly asking: Promise<unknown> }> {
    await on();
    gateway.reset((arrived) => arrived.say(STATUS.accepted, new Uint8Array(0)));
    const asking = client.request(asked);
    asking.catch(() => undefined);
    await eventually(() => gateway.arrived.length === 1);
    return { asking };
  }

  test("ends at a kill of its provider, and its gateway is told", async () => {
    const { asking } = await underWay();
    await controller.kill({ provider: "openai" });
    await expect(asking).rejects.toMatchObject({ code: "SWITCHED_OFF" });
    await eventually(() => gateway.cancelled.length === 1);
  });

  test("does not end at a kill of another provider, nor by flags: what was sealed is answered sealed", async () => {
    const { asking } = await underWay();
    await controller.kill({ provider: "xai" });
    await controller.change({ scbe_envelope_verification: { enabled: false, providers: {} } });
    await eventually(() => expect(short()).rejects.toMatchObject({ code: "SWITCHED_OFF" }));
    gateway.arrived[0]?.answer("done");
    await expect(asking).resolves.toMatchObject({ isSealed: true });
  });

  test("that a gateway has refused as switched off goes again only if this process hears of a switch", async () => {
    await on();
    gateway.reset((arrived) => {
      arrived.send(new Uint8Array(0), serviceErrorHeaders(new ScbeError("SWITCHED_OFF", "says the gateway")));
    });
    await expect(client.request(asked)).rejects.toMatchObject({ code: "SWITCHED_OFF" });
    expect(gateway.arrived).toHaveLength(1);
  });
});

describe("a gateway", () => {
  test("aborts what is at work, says so to its caller, and releases nothing", async () => {
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
    using asking = caller.ask(caller.seal().bytes);
    await started.promise;
    await controller.kill();
    await aborted.promise;
    const said = await asking.answered;
    expect(said).toMatchObject({ status: undefined, error: "SWITCHED_OFF" });
    expect(said.data).toHaveLength(0);
  });
});
