import { setTimeout as delay } from "node:timers/promises";
import type { Client, ConnectOptions, Handler } from "@scbe/client";
import { type Clock, systemClock } from "@scbe/runtime";
import { eventually } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type System, startSystem } from "../kit/system.ts";
import { type TrustWatch, tellerRow, watchTrust } from "../kit/trust.ts";

/** Short time-outs and wrong settings of a caller or a deployment do not count against a provider. */

const stack = new AsyncDisposableStack();
let system: System;
let trust: TrustWatch;
let handlerMs = 0;
let hangs = false;

const PROVIDERS = ["openai", "anthropic", "xai"];
const REQUEST = { model: "m", intent: "chat", body: Buffer.from("Hello"), timeoutMs: 10_000 };

const handler: Handler = async ({ header, signal }) => {
  if (hangs && header.provider === "openai")
    await delay(60_000, undefined, { signal }).catch(() => undefined);
  if (header.provider === "openai") await delay(handlerMs);
  return { body: Buffer.from("{}") };
};

beforeAll(async () => {
  const variables = { SCBE_TRUST_EXCLUSION_MS: "600000", SCBE_TRUST_EXCLUSION_MAX_MS: "600000" };
  system = stack.use(
    await startSystem({
      providers: PROVIDERS,
      intents: ["chat", "tools"],
      envelope: false,
      scorer: true,
      variables,
    }),
  );
  for (const provider of PROVIDERS) {
    const gateway = stack.use(await system.gateway(provider));
    const intents = provider === "openai" ? ["chat"] : ["chat", "tools"];
    await gateway.serve({ provider, intents, drainMs: 0, handler });
  }
  trust = stack.use(await watchTrust(system));
}, 180_000);
afterAll(() => stack.disposeAsync());

const row = (provider = "openai") => trust.row(provider);

/** The evidence before the test. */
let before: ReadonlyMap<string, number>;
beforeEach(() => {
  before = new Map(PROVIDERS.map((provider) => [provider, row(provider).w]));
});

function expectNoEvidence(...providers: readonly string[]): void {
  for (const provider of providers)
    expect([provider, row(provider).w]).toEqual([
      provider,
      expect.toSatisfy((w) => w <= (before.get(provider) ?? 0)),
    ]);
}

/** Runs with a new client, and resolves when all its reports are applied. */
async function withClient(
  use: (client: Client) => Promise<void>,
  more: Partial<ConnectOptions> = {},
): Promise<void> {
  const client = await system.orchestrator(more);
  try {
    await use(client);
  } finally {
    // Disposing sends the remaining reports.
    await client[Symbol.asyncDispose]();
  }
  await using marker = await system.orchestrator();
  const before = PROVIDERS.map((provider) => row(provider).samples);
  for (const provider of PROVIDERS) await marker.request({ ...REQUEST, provider });
  for (const [n, provider] of PROVIDERS.entries())
    await trust.until(provider, (it) => tellerRow(it).samples > (before[n] ?? 0));
}

async function codeOf(request: Promise<unknown>): Promise<unknown> {
  return request.then(
    () => "served",
    ({ code }) => code,
  );
}

describe("a caller's time-outs", () => {
  test("below the provider's usual time exclude no provider, even after seven in a row", async () => {
    handlerMs = 150;
    await withClient(async (client) => {
      const request = (timeoutMs: number) =>
        codeOf(client.request({ ...REQUEST, provider: "openai", timeoutMs }));
      const served = await Promise.all(Array.from({ length: 30 }, () => request(10_000)));
      expect(new Set(served)).toEqual(new Set(["served"]));
      for (let n = 0; n < 7; n += 1) expect(await request(60)).toBe("TIMEOUT");
      await client.request({ ...REQUEST, provider: "openai", expects: { withinMs: 10 } });
    });
    expectNoEvidence("openai");
    expect(trust.share("openai")).toBe(100);
  });

  test("of a duration that no process has seen the provider meet exclude no provider", async () => {
    handlerMs = 150;
    await withClient(async (client) => {
      const request = () => codeOf(client.request({ ...REQUEST, provider: "openai", timeoutMs: 60 }));
      for (let n = 0; n < 7; n += 1) expect(await request()).toBe("TIMEOUT");
    });
    expectNoEvidence("openai");
  });
});

describe("a misconfigured deployment blames no provider,", () => {
  let offsetMs = 0;
  const clock: Clock = {
    now: () => systemClock.now() + offsetMs,
    monotonic: () => systemClock.monotonic(),
  };
  /** Without this, the time-outs would be ignored for their short duration. */
  const limits = { SCBE_TRUST_TIMEOUT_MIN_MS: "100" };

  async function expectNoBlame(client: Client, code: string): Promise<void> {
    for (let n = 0; n < 7; n += 1) {
      const codes = PROVIDERS.map((provider) =>
        codeOf(client.request({ ...REQUEST, provider, timeoutMs: 1500 })),
      );
      expect(new Set(await Promise.all(codes))).toEqual(new Set([code]));
    }
  }

  test.each([
    ["if its window is longer than that of its gateways", "900", "REFUSED"],
    ["if its window is shorter than that of its gateways", "60", "TIMEOUT"],
  ])("%s", async (_who, seconds, code) => {
    handlerMs = 0;
    const variables = { ...system.variables, ...limits, SCBE_REPLAY_WINDOW_SECONDS: seconds };
    await withClient((client) => expectNoBlame(client, code), { variables });
    expectNoEvidence(...PROVIDERS);
  });

  test.each([
    ["ten minutes ahead", 600_000, "REFUSED"],
    ["ten minutes behind", -600_000, "REFUSED"],
    ["four minutes behind", -240_000, "TIMEOUT"],
  ])("if its clock jumps to %s just after all providers served it", async (_jump, jumpMs, code) => {
    handlerMs = 0;
    offsetMs = 0;
    const use = async (client: Client): Promise<void> => {
      for (const provider of PROVIDERS)
        expect(await codeOf(client.request({ ...REQUEST, provider }))).toBe("served");
      offsetMs = jumpMs;
      await expectNoBlame(client, code);
    };
    await withClient(use, { clock, variables: { ...system.variables, ...limits } });
    expectNoEvidence(...PROVIDERS);
  });

  test("if its requests have an intent that one provider does not serve and others do", async () => {
    await withClient(async (client) => {
      const request = (provider: string, intent: string) =>
        codeOf(client.request({ ...REQUEST, provider, intent }));
      for (let n = 0; n < 7; n += 1) {
        expect(await request("openai", "tools")).toBe("REFUSED");
        expect(await request("anthropic", "tools")).toBe("served");
        if (n % 2 === 0) expect(await request("openai", "chat")).toBe("served");
      }
    });
    expectNoEvidence("openai");
  });
});

test("a provider that hangs is excluded by callers whose time-out it has met before", async () => {
  handlerMs = 20;
  await using client = await system.orchestrator();
  const request = (timeoutMs: number) =>
    codeOf(client.request({ ...REQUEST, provider: "openai", timeoutMs }));
  await Promise.all(Array.from({ length: 30 }, () => request(10_000)));
  hangs = true;
  for (let n = 0; n < 7; n += 1) expect(await request(800)).toBe("TIMEOUT");
  await eventually(() => row().exclusions === 1, { timeoutMs: 20_000 });
});
