import { ScbeError } from "@scbe/contracts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CanaryPort, CanaryStatus } from "../src/canary/service.ts";
import { ADMIN, ALERTS, EMERGENCY, startApi, type TestApi } from "./api-kit.ts";

const order = { provider: "openai", reason: "phase 1" };
const ORDERS = [
  ["start", "/canary", { ...order, steps: [5, 100], hold_minutes: 30 }],
  ["pause", "/canary/pause", order],
  ["resume", "/canary/resume", { ...order, override: true }],
  ["abort", "/canary/abort", order],
] as const;

describe("the canary, over HTTP", () => {
  let api: TestApi;
  let orders: unknown[];
  const status: CanaryStatus = { leading: true, canaries: [] };

  beforeEach(async () => {
    orders = [];
    const take = (name: string) => async (given: unknown, by: string) => {
      orders.push([name, given, by]);
      return status;
    };
    const canary: CanaryPort = {
      ...{ start: take("start"), pause: take("pause"), resume: take("resume"), abort: take("abort") },
      status: async () => status,
    };
    api = await startApi({ canary });
  });
  afterEach(() => api[Symbol.asyncDispose]());

  it("is for the admin only", async () => {
    expect(await api.ask("/canary", { token: ADMIN })).toMatchObject({ status: 200, body: status });
    expect((await api.ask("/canary", { token: EMERGENCY })).status).toBe(403);
    expect((await api.ask("/canary")).status).toBe(401);
  });

  it.each(ORDERS)("gets the order to %s, with actor and reason", async (name, path, body) => {
    expect(await api.ask(path, { token: ADMIN, body })).toMatchObject({ status: 200, body: status });
    for (const token of [EMERGENCY, ALERTS]) expect((await api.ask(path, { token, body })).status).toBe(403);
    expect(orders).toEqual([[name, body, "admin"]]);
  });

  it.each(ORDERS)(
    "takes no order to %s without a reason, or with a field that it does not know",
    async (_name, path, body) => {
      const mute = await api.ask(path, { token: ADMIN, body: { ...body, reason: " " } });
      expect([mute.status, mute.body.fields[0].field]).toEqual([400, "reason"]);
      const odd = await api.ask(path, { token: ADMIN, body: { ...body, percent: 5 } });
      expect([odd.status, odd.body.fields[0].field]).toEqual([400, "percent"]);
      expect(orders).toEqual([]);
    },
  );

  it("says why an order does not apply", async () => {
    const pause = () => Promise.reject(new ScbeError("CONFLICT", "the canary of openai does not run"));
    const never = () => Promise.reject(new Error("not here"));
    const canary: CanaryPort = { status: never, start: never, resume: never, abort: never, pause };
    await using other = await startApi({ canary });
    expect(await other.ask("/canary/pause", { token: ADMIN, body: order })).toMatchObject({
      status: 409,
      body: { code: "CONFLICT", title: "the canary of openai does not run" },
    });
  });
});
