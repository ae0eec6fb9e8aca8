import type { Answer, Client } from "@scbe/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ControlApi } from "../kit/control-api.ts";
import { faultyGateway, textFor, throwing } from "../kit/faulty-gateway.ts";
import type { System } from "../kit/system.ts";
import { steadyTraffic } from "../kit/traffic.ts";

/** The outcome of a request with two providers when the first one does not serve. */
export function providerSwitch(stage: () => { readonly system: System; readonly api: ControlApi }): void {
  const stack = new AsyncDisposableStack();
  let orchestrator: Client;

  beforeAll(async () => {
    const { system } = stage();
    orchestrator = stack.use(await system.orchestrator());
    stack.use(await faultyGateway(system, "anthropic", throwing));
  });
  afterAll(() => stack.disposeAsync());

  const openai = () => faultyGateway(stage().system, "openai", throwing);
  async function ask(requestId: string = crypto.randomUUID()): Promise<Answer> {
    const providers = ["openai", "anthropic"];
    const body = Buffer.from("Hello");
    const answer = await orchestrator.request({ providers, model: "m", intent: "chat", body, requestId });
    expect(Buffer.from(answer.body).toString()).toBe(textFor(requestId));
    return answer;
  }
  const byAnthropic = { provider: "anthropic", isSealed: true, header: { provider: "anthropic" } };

  test("the first provider serves the request if it can", async () => {
    await using _gateway = await openai();
    expect(await ask()).toMatchObject({ provider: "openai", passedOver: [], envelopes: 1 });
  });

  test("without a gateway of the first provider, the second one serves the request, in an envelope of its own", async () => {
    const passedOver = [{ provider: "openai", code: "NO_RESPONDERS" }];
    expect(await ask()).toMatchObject({ ...byAnthropic, passedOver, envelopes: 2 });
  });

  test("when the first provider fails, the second one serves the request under the same request id", async () => {
    await using gateway = await openai();
    gateway.isBad = true;
    const requestId = crypto.randomUUID();
    const passedOver = [{ provider: "openai", code: "HANDLER_FAILED" }];
    expect(await ask(requestId)).toMatchObject({ ...byAnthropic, passedOver, requestId });
    expect(gateway.reached).toMatchObject([{ requestId }]);
  });

  test("a provider that is switched off for integrity gets no message, and the request is refused when all are", async () => {
    await using gateway = await openai();
    const { api } = stage();
    await api.kill("integrity", { provider: "openai" });
    const passedOver = [{ provider: "openai", code: "SWITCHED_OFF", envelopes: 0 }];
    expect(await ask()).toMatchObject({ ...byAnthropic, passedOver, envelopes: 1 });
    await api.kill("integrity", { provider: "anthropic" });
    await expect(ask()).rejects.toMatchObject({ code: "SWITCHED_OFF" });
    expect(gateway.reached).toEqual([]);
    for (const provider of ["openai", "anthropic"]) await api.release({ provider });
    expect(await ask()).toMatchObject({ provider: "openai" });
  });

  test("no request is lost while the first provider's gateway leaves and returns", async () => {
    await using traffic = steadyTraffic({ concurrency: 4, everyMs: 10 }, ask);
    const serves = (): Set<string | undefined> =>
      new Set(traffic.sent.slice(-20).map(({ answer }) => answer?.provider));
    for (const _ of [1, 2]) {
      const gateway = await openai();
      await traffic.more(100);
      await gateway[Symbol.asyncDispose]();
      await traffic.more(100);
      expect(serves()).not.toContain("openai");
    }
    await traffic.end();
    expect(traffic.sent.filter(({ error }) => error !== undefined)).toEqual([]);
    const all = new Set(traffic.sent.map(({ answer }) => answer?.provider));
    expect(all).toEqual(new Set(["openai", "anthropic"]));
  });
}
