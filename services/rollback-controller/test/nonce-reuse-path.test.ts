import { ScbeError } from "@scbe/contracts";
import { systemClock } from "@scbe/runtime";
import {
  eventually,
  type SecuredNats,
  startSecuredNats,
  startTestGuard,
  type TestGuard,
} from "@scbe/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PATHS_WINDOW_MS } from "../src/alerts/processed-state.ts";
import { memoryPlane } from "./memory-plane.ts";
import { PROVIDERS, postOf, type Stage, startStage } from "./rollback-stage.ts";

let nats: SecuredNats;
let guard: TestGuard;
let stack: AsyncDisposableStack;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  nats = stack.use(await startSecuredNats({ providers: [...PROVIDERS] }));
  guard = stack.use(await startTestGuard(nats));
});
afterEach(() => stack.disposeAsync());

const start = async (options: Partial<Parameters<typeof startStage>[0]> = {}): Promise<Stage> =>
  stack.use(await startStage({ nats, ...options }));
const kills = ({ plane }: Stage): string[] =>
  plane.orders.map(({ cause, provider = "all", by }) => `${cause} ${provider} ${by}`);
/** The record says that the whole stream was processed. */
const processed = async ({ stored }: Stage): Promise<boolean> => {
  return (await stored()).security?.seq === (await guard.last());
};

describe("a guard's report of a nonce reuse", () => {
  test.each([
    ["all", "integrity all security event:openai"],
    ["provider", "integrity openai security event:openai"],
  ] as const)("kills at once, with scope %s, and is audited", async (scope, kill) => {
    const stage = await start({ config: { SCBE_NONCE_REUSE_SCOPE: scope } });
    await eventually(() => stage.note("security stream") === undefined);
    const { counter } = await guard.report("openai");
    await eventually(() => stage.plane.orders.length === 1);
    expect(kills(stage)).toEqual([kill]);
    await eventually(() => stage.audit.records.length === 1, { timeoutMs: 10_000 });
    expect(stage.audit.records).toMatchObject([
      { action: "security", after: { events: [{ seq: 1, provider: "openai", counter }] } },
    ]);
    await eventually(() => processed(stage));
    expect(kills(stage)).toEqual([kill]);
    expect(await stage.metric("scbe_rollback_event_ms", { le: "+Inf" })).toBe(1);
  });

  test("of another environment, or of another provider than its subject names, kills nothing", async () => {
    const stage = await start();
    await guard.report("openai", { env: "prod" });
    await guard.report("openai", { provider: "xai" });
    await guard.report("openai", { id: "not an id!" });
    await guard.report("xai");
    await eventually(() => processed(stage), { timeoutMs: 15_000 });
    expect(kills(stage)).toEqual(["integrity all security event:xai"]);
    expect(stage.audit.records.map(({ reason }) => reason).join()).toMatch(/3 are no events/);
  });

  test("that arrived while no controller ran kills at the start of the next one", async () => {
    const first = await start();
    await guard.report("openai");
    await eventually(() => processed(first), { timeoutMs: 10_000 });
    await first[Symbol.asyncDispose]();
    await guard.report("xai");
    const next = await start();
    await eventually(() => processed(next));
    expect(kills(next)).toEqual(["integrity all security event:xai"]);
  });

  test("that was processed kills no second time after a restart, and is audited once by any number of controllers", async () => {
    const [first, second] = [await start(), await start()];
    await guard.report("openai");
    await eventually(() => processed(first), { timeoutMs: 10_000 });
    await eventually(() => second.plane.orders.length === 1);
    const third = await start();
    await eventually(() => third.note("security stream") === undefined, { timeoutMs: 10_000 });
    expect(kills(third)).toEqual([]);
    const audited = [...first.audit.records, ...second.audit.records, ...third.audit.records];
    expect(audited.filter(({ action }) => action === "security")).toHaveLength(1);
  });

  test("that arrived while the link was down kills after the reconnect", async () => {
    const stage = await start();
    await eventually(() => stage.note("security stream") === undefined, { timeoutMs: 10_000 });
    await nats.server.kill();
    await eventually(() => !stage.host.bus.connected);
    await nats.server.restart();
    // The guard's link to its store may be back before its link to the bus: it reports the same event again, as a real guard does.
    const report = () => guard.report("openai", { id: "one-event" }).catch(() => undefined);
    await eventually(report, { timeoutMs: 10_000 });
    await eventually(() => stage.plane.orders.length === 1, { timeoutMs: 15_000 });
    await eventually(() => processed(stage), { timeoutMs: 15_000 });
    expect(kills(stage)).toEqual(["integrity all security event:openai"]);
    expect(await guard.last()).toBe(1);
  });

  test("is tried again while the kill cannot be sent", async () => {
    const plane = memoryPlane();
    let tries = 0;
    plane.before = async () => {
      tries += 1;
      if (tries < 3) throw new ScbeError("DISCONNECTED", "the link is down");
    };
    const stage = await start({ plane });
    await guard.report("openai");
    await eventually(() => plane.orders.length === 1);
    expect(tries).toBe(3);
    await eventually(() => processed(stage), { timeoutMs: 10_000 });
    expect(plane.orders).toHaveLength(1);
  });
});

describe("a stream without recorded progress", () => {
  /** A clock by which a message that is stored now is two days old. */
  const twoDaysOn = { ...systemClock, now: () => Date.now() + 2 * 24 * 60 * 60_000 };

  test("skips events that are older than a day, and says so", async () => {
    await guard.report("openai");
    const stage = await start({ clock: twoDaysOn });
    await eventually(() => processed(stage));
    expect(kills(stage)).toEqual([]);
    await eventually(() => stage.audit.records.length === 1);
    expect(stage.audit.records[0]?.reason).toMatch(/1 are older than a day, and were not/);
    await guard.report("xai");
    await eventually(() => stage.plane.orders.length === 1);
  });

  test("processes newer events", async () => {
    await guard.report("openai");
    const stage = await start();
    await eventually(() => stage.plane.orders.length === 1);
    expect(kills(stage)).toEqual(["integrity all security event:openai"]);
  });
});

describe("the two paths of a nonce reuse", () => {
  function movingClock() {
    let passed = 0;
    return {
      now: () => systemClock.now() + passed,
      monotonic: () => systemClock.monotonic() + passed,
      pass: (ms: number) => {
        passed += ms;
      },
    };
  }

  test("agree if both signal, in any order", async () => {
    const stage = await start();
    await guard.report("openai");
    await eventually(async () => (await stage.stored()).incidents.openai !== undefined);
    await stage.webhook.receive(postOf("SCBENonceReuse", "openai"));
    await eventually(
      async () => (await stage.metric("scbe_rollback_paths_total", { path: "event", agreed: "yes" })) === 1,
    );
    await stage.webhook.receive(postOf("SCBENonceReuse", "xai"));
    await eventually(async () => (await stage.stored()).incidents.xai !== undefined);
    await guard.report("xai");
    await eventually(
      async () => (await stage.metric("scbe_rollback_paths_total", { path: "alert", agreed: "yes" })) === 1,
    );
    expect(await stage.metric("scbe_rollback_paths_total", { agreed: "no" })).toBe(0);
  });

  test("agree also if each signal reaches another controller", async () => {
    const [left, right] = [await start(), await start({ isLeading: () => false })];
    await left.webhook.receive(postOf("SCBENonceReuse", "openai"));
    await eventually(async () => (await right.stored()).incidents.openai !== undefined);
    await guard.report("openai");
    const agreed = async () =>
      (await left.metric("scbe_rollback_paths_total", { agreed: "yes" })) +
      (await right.metric("scbe_rollback_paths_total", { agreed: "yes" }));
    await eventually(async () => (await agreed()) === 1);
  });

  test.each([
    ["event", /only the guard's event arrived/],
    ["alert", /only the alert arrived/],
  ] as const)("are reported, once, when only the %s speaks", async (path, says) => {
    const clock = movingClock();
    const stage = await start({ clock });
    if (path === "event") await guard.report("openai");
    else await stage.webhook.receive(postOf("SCBENonceReuse", "openai"));
    await eventually(async () => (await stage.stored()).incidents.openai?.verdict === "open");
    clock.pass(PATHS_WINDOW_MS + 1000);
    await eventually(
      async () => (await stage.metric("scbe_rollback_paths_total", { path, agreed: "no" })) === 1,
      {
        timeoutMs: 15_000,
      },
    );
    expect(stage.audit.records.filter(({ action }) => action === "paths")).toMatchObject([
      { reason: expect.stringMatching(says) },
    ]);
    expect(stage.host.logs.lines).toContainEqual(
      expect.objectContaining({ level: "error", provider: "openai", first: path }),
    );
  });
});
