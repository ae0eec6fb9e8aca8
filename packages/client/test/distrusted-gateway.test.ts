import { randomUUID } from "node:crypto";
import { STATUS, SUBJECTS, writeMessage } from "@scbe/contracts";
import {
  createTestHost,
  type Deployment,
  eventually,
  excluded,
  latched,
  startDeployment,
} from "@scbe/testkit";
import { openVerifier, type Verifier } from "@scbe/verifier";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { readClientConfig } from "../src/config.ts";
import type { Client, Handler } from "../src/index.ts";
import { RawCaller, type Reply } from "./raw-caller.ts";
import { type Providers, VARIABLES } from "./trust-fixture.ts";

/** A process that seals and opens refuses a provider whose integrity is in doubt, whatever the routing process believes. */
let deployment: Deployment;
let client: Client;
const metrics = new Registry();
let seq = 0;

beforeAll(async () => {
  deployment = await startDeployment(VARIABLES);
  client = await deployment.gateway({ metrics });
});
afterAll(async () => {
  await client?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
});
afterEach(() => publishTrust({}));

async function applied(): Promise<number> {
  const values = (await metrics.getSingleMetric("scbe_trust_documents_total")?.get())?.values ?? [];
  return values.find(({ labels }) => labels.result === "applied")?.value ?? 0;
}

/** Resolves when the gateway holds it. */
async function publishTrust(providers: Providers): Promise<void> {
  const before = await applied();
  seq += 1;
  const document = { v: 1, stream: { created: "2027-01-15T08:00:00Z", seq }, providers };
  deployment.bus.publish(SUBJECTS.trustState, writeMessage(document));
  await deployment.bus.flush();
  await eventually(async () => (await applied()) > before, { timeoutMs: 20_000 });
}

const echo: Handler = ({ body }) => ({ body });

async function sendRequest(): Promise<Reply> {
  const caller = new RawCaller(deployment.bus, deployment.keyring, deployment.guard);
  using sent = caller.send(caller.seal().bytes);
  return await sent.answered;
}

describe("a gateway", () => {
  test("answers with noise while its provider is in doubt, calls no handler, and serves again when the doubt is cleared", async () => {
    let handled = 0;
    const handler: Handler = (call) => {
      handled += 1;
      return echo(call);
    };
    await using _gateway = await client.serve({ provider: "openai", drainMs: 0, handler });
    await publishTrust({ openai: latched() });
    expect(await sendRequest()).toMatchObject({ status: STATUS.refused });
    expect(handled).toBe(0);
    await publishTrust({});
    expect(await sendRequest()).toMatchObject({ status: STATUS.sealed });
    expect(handled).toBe(1);
  });

  test("serves while its provider is excluded for its quality, and while another one is in doubt", async () => {
    await using _gateway = await client.serve({ provider: "openai", drainMs: 0, handler: echo });
    await publishTrust({ openai: excluded(), anthropic: latched() });
    expect(await sendRequest()).toMatchObject({ status: STATUS.sealed });
  });

  test("aborts open requests when its provider comes into doubt, and releases nothing", async () => {
    const started = Promise.withResolvers<void>();
    const handler: Handler = ({ signal, body }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve({ body }));
        started.resolve();
      });
    await using _gateway = await client.serve({ provider: "openai", drainMs: 0, handler });
    const sent = sendRequest();
    await started.promise;
    await publishTrust({ openai: latched() });
    const reply = await sent;
    expect(reply).toMatchObject({ status: undefined, error: "SWITCHED_OFF" });
    expect(reply.data).toHaveLength(0);
  });
});

describe("the envelope service's verifier", () => {
  const names = { provider: "openai", model: "gpt-5", intent: "chat" };

  async function withVerifier(use: (verifier: Verifier) => Promise<void>): Promise<void> {
    await using host = await createTestHost({
      transport: deployment.transport("envelope"),
      name: "envelope",
    });
    const config = readClientConfig(deployment.options("envelope"));
    await using verifier = openVerifier(host, config, { as: "envelope" });
    const isReady = async (): Promise<boolean> => {
      await deployment.keyring.broadcast();
      return host.readiness.ready;
    };
    await eventually(isReady, { timeoutMs: 20_000 });
    await use(verifier);
  }

  test("seals nothing for a provider in doubt, and still seals for an excluded one", async () => {
    await withVerifier(async ({ sealer, trust }) => {
      const seal = () =>
        sealer.sealRequest({ ...names, requestId: randomUUID(), body: Buffer.from("Hello") });
      const { header, hash } = seal();
      await publishTrust({ openai: latched() });
      await eventually(() => (trust.document?.providers.openai?.latch ?? null) !== null);
      expect(seal).toThrow(expect.objectContaining({ code: "DISTRUSTED" }));
      const sealResponse = () => sealer.sealResponse({ request: { header, hash }, body: Buffer.from("x") });
      expect(sealResponse).toThrow(expect.objectContaining({ code: "DISTRUSTED" }));
      await publishTrust({ openai: excluded() });
      await eventually(() => (trust.document?.providers.openai?.latch ?? null) === null);
      expect(seal().header.provider).toBe("openai");
    });
  });
});
