import { randomUUID } from "node:crypto";
import { KV_KEYS, STORES } from "@scbe/contracts";
import { type SecuredNats, startProcess, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fillIn } from "../src/canary/criteria.ts";
import { CANARIES_MAX, Canaries, HISTORY_MAX, SILENCES_MAX, TEXT_MAX } from "../src/canary/record.ts";
import { replayDecisions } from "../src/canary/replay.ts";
import { effectiveFlag } from "../src/canary/share.ts";
import { type CanaryController, MINUTE, startController } from "./canary-controller.ts";
import { evidenceWith } from "./canary-evidence.ts";
import { engage, release } from "./canary-world.ts";

const ORDER = { provider: "openai", reason: "new release" };
const PROCESS = new URL("./canary-process.ts", import.meta.url).pathname;

/** The time of every controller; each test advances it. */
const time = { now: 1_700_000_000_000 };
const clock = { now: () => time.now, monotonic: () => time.now };

let nats: SecuredNats;
let stack: AsyncDisposableStack;

beforeAll(async () => {
  nats = await startSecuredNats({ providers: ["openai", "xai"] });
});
afterAll(() => nats[Symbol.asyncDispose]());

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  await using first = await begin();
  const bucket = await first.kv.bucket(STORES.control.bucket);
  await reset(bucket, KV_KEYS.canary, JSON.stringify({ v: 1, canaries: {} }));
  await first.plane.change((state) => ({ ...state, ...EMPTY }), { by: "test", reason: "" });
  return () => stack.disposeAsync();
});

const EMPTY = {
  kill_switch: { all: null, providers: {} },
  scbe_envelope_verification: { enabled: true, providers: {} },
};

async function reset(
  bucket: Awaited<ReturnType<CanaryController["kv"]["bucket"]>>,
  key: string,
  value: string,
): Promise<void> {
  const entry = await bucket.get(key);
  if (entry === undefined) await bucket.create(key, Buffer.from(value));
  else await bucket.update(key, Buffer.from(value), entry.revision);
}

async function begin(
  options: Partial<Parameters<typeof startController>[0]> = {},
): Promise<CanaryController> {
  return startController({ transport: nats.storeTransport("control"), clock, ...options });
}

async function controller(
  options: Partial<Parameters<typeof startController>[0]> = {},
): Promise<CanaryController> {
  return stack.use(await begin(options));
}

const shareIn = async ({ plane }: CanaryController): Promise<number> =>
  effectiveFlag(await plane.look(), "openai").percentage;

const canaryIn = async ({ service }: CanaryController) => (await service.status()).canaries[0];

describe("a canary", () => {
  test("passes 5, 25, 50 and 100 %, half an hour each, and the record has the reasons", async () => {
    const it = await controller();
    await it.service.start(ORDER, "admin");
    const shares: number[] = [await shareIn(it)];
    for (let halfHour = 0; halfHour < 4; halfHour += 1) {
      time.now += 29 * MINUTE;
      await it.pass();
      shares.push(await shareIn(it));
      time.now += MINUTE;
      await it.pass();
      shares.push(await shareIn(it));
    }
    expect(shares).toEqual([5, 5, 25, 25, 50, 50, 100, 100, 100]);
    const canary = await canaryIn(it);
    expect(canary).toMatchObject({
      state: "done",
      share: 100,
      next_share: null,
      hold_until: null,
      intent: null,
    });
    expect(canary?.history.map(({ share, decision }) => [share, decision?.verdict])).toEqual([
      [5, "promote"],
      [25, "promote"],
      [50, "promote"],
      [100, "promote"],
    ]);
    expect(canary?.history[0]?.decision?.evidence.measurements).toHaveLength(6);
    expect(it.plane.writes.map(({ by, reason }) => `${by}: ${reason}`)).toEqual([
      "admin: new release",
      "canary: openai: promoted from 5 % to 25 %",
      "canary: openai: promoted from 25 % to 50 %",
      "canary: openai: promoted from 50 % to 100 %",
    ]);
    const told = it.audited.map(({ by, action, after }) => [by, action, (after as { state: string }).state]);
    expect(told).toEqual([
      ["admin", "canary", "running"],
      ["canary", "canary", "done"],
    ]);
    const verdicts = (await it.metrics.getSingleMetric("scbe_canary_verdicts_total")?.get())?.values;
    expect(verdicts).toContainEqual(
      expect.objectContaining({ labels: { provider: "openai", verdict: "promote" }, value: 4 }),
    );
  });

  test("can be replayed from its record alone, and a changed record is detected", async () => {
    const it = await controller();
    await it.service.start(ORDER, "admin");
    time.now += 30 * MINUTE;
    await it.pass();
    const status = JSON.parse(JSON.stringify(await it.service.status()));
    expect(replayDecisions(status)).toMatchObject([{ share: 5, verdict: "promote", same: true }]);
    status.canaries[0].history[0].decision.evidence.measurements[1].value = 0.01;
    expect(replayDecisions(status)).toMatchObject([{ recorded: "promote", verdict: "abort", same: false }]);
  });

  test("returns to the step before when a criterion fails, and stays there until a person resumes it", async () => {
    let evidence = evidenceWith();
    const it = await controller({ measure: async () => evidence });
    await it.service.start(ORDER, "admin");
    time.now += 30 * MINUTE;
    await it.pass();
    evidence = evidenceWith({ verify_p99_ms: { value: 80 } });
    time.now += 10 * MINUTE;
    await it.pass();
    expect(await shareIn(it)).toBe(5);
    expect(await canaryIn(it)).toMatchObject({
      ...{ state: "aborted", step: 0, share: 5, by: "canary" },
      why: "verify_p99_ms: 80 is not below 25",
    });
    evidence = evidenceWith();
    time.now += 600 * MINUTE;
    await it.pass();
    expect(await shareIn(it)).toBe(5);

    await it.service.resume({ ...ORDER, reason: "fixed" }, "admin");
    await it.pass();
    expect([await shareIn(it), (await canaryIn(it))?.state]).toEqual([5, "running"]);
    time.now += 30 * MINUTE;
    await it.pass();
    expect(await shareIn(it)).toBe(25);
  });

  test("that fails at its first step leaves nothing sealed, and begins again when it is resumed", async () => {
    let evidence = evidenceWith({ nonce_reuse: { value: 1 } });
    const it = await controller({ measure: async () => evidence });
    await it.service.start(ORDER, "admin");
    await it.pass();
    expect([await shareIn(it), (await canaryIn(it))?.step]).toEqual([0, -1]);
    evidence = evidenceWith();
    await it.service.resume({ ...ORDER, reason: "fixed" }, "admin");
    expect([await shareIn(it), (await canaryIn(it))?.step]).toEqual([5, 0]);
  });

  test("is aborted by a kill, and the release of the kill does not bring the share back", async () => {
    const it = await controller();
    await it.service.start(ORDER, "admin");
    time.now += 30 * MINUTE;
    await it.pass();
    await it.plane.change(engage, { by: "alert:SCBEHighLatency", reason: "slow" });
    await it.pass();
    expect(await canaryIn(it)).toMatchObject({ state: "aborted", why: "kill switch: test", share: 5 });
    const again = it.service.resume(ORDER, "admin");
    await expect(again).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("release"),
    });
    await it.plane.change(release, { by: "admin", reason: "over" });
    time.now += 60 * MINUTE;
    await it.pass();
    expect(await shareIn(it)).toBe(5);
  });

  test("is paused by a flag that a person sets, and does not change that flag", async () => {
    const it = await controller();
    await it.service.start(ORDER, "admin");
    await it.plane.change(withShare(40), { by: "admin", reason: "by hand" });
    time.now += 30 * MINUTE;
    await it.pass();
    await it.pass();
    expect(await shareIn(it)).toBe(40);
    expect(await canaryIn(it)).toMatchObject({
      ...{ state: "paused", by: "canary" },
      why: "a flag has set the share to 40 %, from 5 %",
    });
  });

  test("waits for 2,995 clean requests before 100 %, or for a person's override with a reason", async () => {
    const measure = async () => evidenceWith({ clean_requests: { value: 900 } });
    const it = await controller({ measure });
    await it.service.start({ ...ORDER, steps: [50, 100] }, "admin");
    time.now += 300 * MINUTE;
    await it.pass();
    expect([await shareIn(it), (await canaryIn(it))?.history[0]?.decision?.why]).toEqual([
      50,
      ["clean_requests: 900 of the 2995 that it takes before 100 %"],
    ]);
    await it.service.resume({ ...ORDER, reason: "low traffic here", override: true }, "admin");
    await it.pass();
    expect(await shareIn(it)).toBe(100);
    expect((await canaryIn(it))?.override).toMatchObject({
      step: 0,
      by: "admin",
      reason: "low traffic here",
    });
  });

  test("accepts pause, abort and resume on a controller that does not lead", async () => {
    const [leader, standby] = [await controller(), await controller()];
    standby.lead(false);
    await standby.service.start(ORDER, "admin");
    await standby.service.pause({ ...ORDER, reason: "lunch" }, "admin");
    time.now += 30 * MINUTE;
    await leader.pass();
    expect(await canaryIn(leader)).toMatchObject({ state: "paused", why: "lunch", by: "admin", share: 5 });
    await expect(standby.service.pause(ORDER, "admin")).rejects.toMatchObject({ code: "CONFLICT" });
    await standby.service.resume({ ...ORDER, reason: "back" }, "admin");
    await standby.service.abort({ ...ORDER, reason: "not today" }, "admin");
    expect([await shareIn(leader), (await canaryIn(leader))?.state]).toEqual([0, "aborted"]);
    time.now += 30 * MINUTE;
    await standby.pass();
    expect(await shareIn(leader)).toBe(0);
  });

  test.each([
    ["start", "the canary of openai is running; resume or abort that one"],
    ["resume", "the canary of openai is running; there is nothing to resume"],
  ] as const)("that runs refuses to %s", async (order, message) => {
    const it = await controller();
    await it.service.start(ORDER, "admin");
    await expect(it.service[order](ORDER, "admin")).rejects.toMatchObject({ code: "CONFLICT", message });
  });

  test("of a provider that is not served, or was never started, is refused", async () => {
    const { service } = await controller();
    await expect(service.start({ ...ORDER, provider: "groq" }, "admin")).rejects.toMatchObject({
      ...{ code: "BAD_REQUEST", message: "provider: groq is not served here" },
    });
    await expect(service.abort({ ...ORDER, provider: "xai" }, "admin")).rejects.toMatchObject({
      ...{ code: "CONFLICT", message: "there is no canary of xai; start one" },
    });
  });
});

const withShare =
  (traffic_percentage: number) =>
  (state: Parameters<Parameters<CanaryController["plane"]["change"]>[0]>[0]) => ({
    ...state,
    scbe_envelope_verification: {
      enabled: true,
      providers: { openai: { enabled: true, traffic_percentage } },
    },
  });

describe("two controllers", () => {
  test("that make a pass at the same time take each step once", async () => {
    const both = [await controller(), await controller()] as const;
    await both[0].service.start(ORDER, "admin");
    for (let halfHour = 0; halfHour < 4; halfHour += 1) {
      time.now += 30 * MINUTE;
      await Promise.all(both.map((one) => one.pass()));
      await Promise.all(both.map((one) => one.pass()));
    }
    const writes = both.flatMap(({ plane }) => plane.writes);
    const shares = writes.map(({ state }) => effectiveFlag(state, "openai").percentage).sort((a, b) => a - b);
    expect([...new Set(shares)]).toEqual([5, 25, 50, 100]);
    expect(await canaryIn(both[0])).toMatchObject({ state: "done", step: 3 });
    expect((await canaryIn(both[0]))?.history.map(({ share }) => share)).toEqual([5, 25, 50, 100]);
  });

  test("of which one stalls between its decision and its change: it changes nothing afterwards", async () => {
    const stalled = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const slow = await controller({
      onWrite: async (when, { by }) => {
        if (when !== "before" || by !== "canary") return;
        reached.resolve();
        await stalled.promise;
      },
    });
    await slow.service.start(ORDER, "admin");
    time.now += 30 * MINUTE;
    const pass = slow.pass();
    await reached.promise;
    const other = await controller();
    await other.service.pause({ ...ORDER, reason: "a person says stop" }, "admin");
    stalled.resolve();
    await pass;
    expect(await shareIn(other)).toBe(5);
    expect(await canaryIn(other)).toMatchObject({ state: "paused", why: "a person says stop", intent: null });
  });

  test.each(["before", "after"] as const)(
    "of which one is killed with SIGKILL right %s its promotion is written: the other continues, and the step is taken once",
    async (moment) => {
      const other = await controller();
      await other.service.start(ORDER, "admin");
      time.now += 30 * MINUTE;
      const transport = JSON.stringify(nats.storeTransport("control"));
      await using killed = startProcess(process.execPath, [PROCESS, transport, moment, String(time.now)]);
      await killed.output(/reached/);
      await killed.kill();
      expect(await canaryIn(other)).toMatchObject({
        step: 0,
        intent: { kind: "raise", share: 25, by: "canary" },
      });
      expect(await shareIn(other)).toBe(moment === "before" ? 5 : 25);

      await other.pass();
      expect(await shareIn(other)).toBe(25);
      const canary = await canaryIn(other);
      expect(canary).toMatchObject({ state: "running", step: 1, intent: null });
      expect(canary?.history.map(({ share }) => share)).toEqual([5, 25]);
      // A promotion that was written is not written again; otherwise it is decided and written again.
      const raised = other.plane.writes.filter(({ reason }) => reason.includes("to 25 %"));
      const shares = raised.map(({ state }) => effectiveFlag(state, "openai").percentage);
      expect(shares).toEqual(moment === "before" ? [5, 25] : []);
      await other.pass();
      expect(await shareIn(other)).toBe(25);
    },
  );
});

const LONG_NAME = "p".repeat(64);

describe("what is stored", () => {
  test("fits into its key with every text at its longest", () => {
    const text = "x".repeat(TEXT_MAX);
    const alerts = ["SCBENonceReuse", "SCBEGCMFailureRate", "SCBEPhaseSkew", "SCBEHighLatency"];
    const over = Array.from({ length: SILENCES_MAX }, () => ({ id: randomUUID(), alerts }));
    const evidence = evidenceWith({}, { silences: { ok: true, over } });
    const measurements = evidence.measurements.map((it) => ({
      ...{ ...it, error: text, value: 0.1 + 0.2, samples: 0.1 + 0.2 },
      ...{
        expr: fillIn(it.expr, LONG_NAME, 86_400),
        samples_expr: fillIn(it.samples_expr, LONG_NAME, 86_400),
      },
    }));
    const step = { share: 100, next_share: 100, since: time.now, hold_ms: 86_400_000, override: true };
    const decision = {
      ...{ verdict: "hold" as const, why: Array.from({ length: 9 }, () => text), at: time.now, step },
      ...{
        outcomes: { gcm_failure_share: "Inconclusive" as const },
        evidence: { ...evidence, measurements },
      },
    };
    const record = { step: 0, share: 100, since: time.now, until: time.now, decision };
    const names = Array.from({ length: CANARIES_MAX }, (_, at) => `${at}${LONG_NAME.slice(2)}`);
    const long = { why: "y".repeat(500), by: "z".repeat(128) };
    const canaries = names.map((provider) => ({
      ...{ provider, state: "running" as const, ...long, since: time.now, started_at: time.now },
      ...{ steps: [1, 2, 3, 4, 5, 6, 7, 100], hold_ms: 86_400_000, step: 0 },
      override: { step: 0, by: long.by, reason: long.why, at: time.now },
      intent: {
        kind: "raise" as const,
        step: 1,
        share: 2,
        generation: time.now,
        by: long.by,
        reason: long.why,
      },
      history: Array.from({ length: HISTORY_MAX }, () => record),
    }));
    const all = Canaries.parse({
      v: 1,
      canaries: Object.fromEntries(canaries.map((it) => [it.provider, it])),
    });
    expect(Buffer.byteLength(JSON.stringify(all))).toBeLessThan(STORES.control.maxValueBytes);
  });

  test("and is not a record of canaries changes nothing, and the error names the key", async () => {
    const it = await controller();
    const bucket = await it.kv.bucket(STORES.control.bucket);
    await reset(bucket, KV_KEYS.canary, '{"v":1,"canaries":{"openai":{"state":"running"}}}');
    await expect(it.pass()).rejects.toMatchObject({
      ...{ code: "INTERNAL", message: expect.stringContaining("holds no canaries; delete it") },
    });
    await expect(it.service.status()).rejects.toMatchObject({ code: "INTERNAL" });
    expect(it.plane.writes).toEqual([]);
  });
});
