import type { Answer, Client } from "@scbe/client";
import { type ProviderTrust, TRUST_LIMIT, trustScore, trustShare } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { ControlApi } from "../kit/control-api.ts";
import { type FaultyGateway, faultyGateway, throwing } from "../kit/faulty-gateway.ts";
import type { System } from "../kit/system.ts";
import { type TrustWatch, tellerRow } from "../kit/trust.ts";

export interface TrustStage {
  readonly system: System;
  readonly api: ControlApi;
  readonly trust: TrustWatch;
}

/** The trust in a provider falls with failed requests, and recovers. */
export function trustDecay(stage: () => TrustStage): void {
  const stack = new AsyncDisposableStack();
  let orchestrator: Client;
  let openai: FaultyGateway;

  beforeAll(async () => {
    const { system } = stage();
    orchestrator = stack.use(await system.orchestrator());
    openai = stack.use(await faultyGateway(system, "openai", throwing));
    stack.use(await faultyGateway(system, "anthropic", throwing));
  });
  afterAll(() => stack.disposeAsync());
  beforeEach(async () => {
    openai.isBad = false;
    await stage().api.trust({ provider: "openai", trust_score: 1 });
    await until((it) => scoreOf(it) === 1 && shareOf(it) === 100);
  });

  /** The evidence of one failure and of one success. */
  const FAILURE = 1.609;
  const SUCCESS = 0.00401;
  const REQUEST = { model: "m", intent: "chat", body: Buffer.from("Hello") };
  const ask = (): Promise<Answer> => orchestrator.request({ ...REQUEST, provider: "openai" });
  const askAny = (): Promise<Answer> =>
    orchestrator.request({ ...REQUEST, providers: ["openai", "anthropic"] });
  const until = (check: (it: ProviderTrust) => boolean) => stage().trust.until("openai", check);
  const scoreOf = (it: ProviderTrust): number => trustScore(it, Date.now());
  const shareOf = (it: ProviderTrust): number => trustShare(it, Date.now());

  /** Has requests fail, one after the other. @returns score and share after each */
  async function fail(times: number): Promise<(readonly [score: number, share: number])[]> {
    openai.isBad = true;
    const seen: (readonly [number, number])[] = [];
    while (seen.length < times) {
      await expect(ask()).rejects.toMatchObject({ code: "HANDLER_FAILED" });
      const w = (seen.length + 1) * FAILURE;
      const now = await until((it) => tellerRow(it).exclusion !== null || tellerRow(it).w >= w - 1e-6);
      seen.push([scoreOf(now), shareOf(now)]);
    }
    openai.isBad = false;
    return seen;
  }

  const scoreAt = (w: number) => expect.closeTo(1 - w / TRUST_LIMIT, 4);

  test("each failure takes a quarter of the trust, the fifth one excludes the provider, and requests go to another one", async () => {
    const held = [1, 2, 3, 4].map((n) => [scoreAt(n * FAILURE), 100]);
    expect(await fail(5)).toEqual([...held, [0, 0]]);
    const row = {
      trust_score: 0,
      share: 0,
      ledger: "quality",
      cause: "outcomes",
      missing: { exclusion: 0, latch: 1 },
      latch: null,
    };
    expect(await stage().api.trustScores("openai")).toMatchObject(row);
    const passedOver = [{ provider: "openai", code: "DISTRUSTED", envelopes: 0 }];
    expect(await askAny()).toMatchObject({ provider: "anthropic", passedOver });
  });

  test("successes restore trust, far more slowly than failures take it", async () => {
    await fail(1);
    const { samples } = stage().trust.row("openai");
    await Promise.all(Array.from({ length: 50 }, ask));
    const after = await until((it) => tellerRow(it).samples === samples + 50);
    expect(scoreOf(after)).toEqual(scoreAt(FAILURE - 50 * SUCCESS));
  });

  test("an excluded provider returns by itself, with 5, 25, 50 and then 100 % of the requests", async () => {
    await fail(5);
    const shares: number[] = [];
    await until((it) => {
      const share = shareOf(it);
      if (share !== shares.at(-1)) shares.push(share);
      return share === 100;
    });
    expect(shares).toEqual([0, 5, 25, 50, 100]);
    expect(await askAny()).toMatchObject({ provider: "openai", passedOver: [] });
  });

  test("when all providers are excluded, they still get requests, in the order of the request", async () => {
    const { api, trust } = stage();
    for (const provider of ["openai", "anthropic"]) {
      await api.trust({ provider, trust_score: 0 });
      await trust.until(provider, (it) => shareOf(it) === 0);
    }
    await eventually(async () => (await askAny()).provider === "openai");
    await api.trust({ provider: "anthropic", trust_score: 1 });
  });

  test("an administrator's override holds: 0 takes a provider out until the next override, which restores it at once", async () => {
    const { api } = stage();
    await api.trust({ provider: "openai", trust_score: 0 });
    expect(await until((it) => shareOf(it) === 0)).toMatchObject({ calibration: { score: 0 } });
    await eventually(async () => (await askAny()).provider === "anthropic");
    await api.trust({ provider: "openai", trust_score: 0.95 });
    expect(scoreOf(await until((it) => shareOf(it) === 100))).toEqual(scoreAt(0.05 * TRUST_LIMIT));
    await eventually(async () => (await askAny()).provider === "openai");
  });
}
