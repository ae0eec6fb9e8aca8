import { loadIdentity } from "@scbe/bus";
import type { GrantRequest, RingState } from "@scbe/contracts";
import { type Clock, createReadiness, type Readiness, systemClock } from "@scbe/runtime";
import { collectLogs, type Deployment, eventually, startDeployment } from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HeldKeys } from "./held-keys.ts";
import { KeyKeeper } from "./key-keeper.ts";

let deployment: Deployment;

beforeAll(async () => {
  deployment = await startDeployment();
});
afterAll(() => deployment[Symbol.asyncDispose]());

interface Keeping extends AsyncDisposable {
  readonly store: HeldKeys;
  readonly readiness: Readiness;
  readonly clock: { skewMs: number } & Clock;
  /** The kid that seals for openai/chat. */
  active(): string | undefined;
  opens(kid: string): boolean;
  keysReport(): { ok: boolean; reason?: string; note?: string } | undefined;
}

interface KeepingOptions {
  readonly ring?: Readonly<
    Record<string, { state: RingState["keys"][number]["state"]; notAfter?: number | null }>
  >;
  readonly intents?: readonly string[];
}

/** A keeper with its keys and a ring. */
async function keeping({
  ring = { k1: { state: "active" } },
  intents = ["chat"],
}: KeepingOptions = {}): Promise<Keeping> {
  const { keyring } = deployment;
  keyring.tamper = undefined;
  keyring.hold = () => undefined;
  keyring.set(ring);
  const keeper = start(intents);
  await eventually(() => keeper.store.size >= intents.length);
  await keyring.broadcast();
  await eventually(() => keeper.readiness.ready);
  const kids = Object.keys(ring).length;
  await eventually(() => keeper.store.size === kids * intents.length);
  return keeper;
}

function start(intents: readonly string[] = ["chat"]): Keeping {
  const { bus, keyringPublicKey } = deployment;
  const identity = loadIdentity(deployment.transport("orchestrator"));
  if (identity === undefined) throw new Error("no identity");
  const clock = {
    skewMs: 0,
    now: () => Date.now() + clock.skewMs,
    monotonic: systemClock.monotonic,
  };
  const store = new HeldKeys({ providers: ["openai"], intents, now: clock.now });
  const readiness = createReadiness();
  const source = { bus, identity, env: "dev" as const, keyringPublicKey };
  const { log } = collectLogs();
  const metrics = new Registry();
  const keeper = new KeyKeeper({ keys: store, source, clock, log, readiness, metrics });
  return {
    store,
    readiness,
    clock,
    active: () => store.active("openai", "chat")?.kid,
    opens: (kid) => store.find(kid, "openai", "chat") !== undefined,
    keysReport: () => readiness.report().find(({ name }) => name === "keys"),
    [Symbol.asyncDispose]: () => keeper[Symbol.asyncDispose](),
  };
}

/** Resolves after all broadcasts have arrived. */
async function heard(): Promise<void> {
  await deployment.bus.flush();
  await new Promise((resolve) => setTimeout(resolve, 20));
}

describe("at its start", () => {
  test("the active key of every intent is requested; until the ring arrives it is not ready, and says so", async () => {
    deployment.keyring.set({ k1: { state: "active" } });
    const before = deployment.keyring.asked.length;
    await using keeper = start(["chat", "tools"]);
    await eventually(() => keeper.store.size === 2);
    const asked = deployment.keyring.asked.slice(before).map(({ kid, intent }) => `${kid}/${intent}`);
    expect(asked.sort()).toEqual(["/chat", "/tools"]);
    await eventually(() => keeper.keysReport()?.reason?.includes("no ring has arrived"));
    await deployment.keyring.broadcast();
    await eventually(() => keeper.readiness.ready);
  });

  test("a keyring that refuses is asked again, and readiness names the key and the reason", async () => {
    deployment.keyring.set({});
    await using keeper = start();
    await eventually(() => keeper.keysReport()?.reason?.includes("openai/chat"));
    await eventually(() => keeper.keysReport()?.reason?.includes("NO_KEYS"));
    deployment.keyring.set({ k1: { state: "active" } });
    await eventually(() => keeper.active() === "k1");
  });

  test("keys that can still open are fetched, too", async () => {
    const end = Date.now() + 60_000;
    await using keeper = await keeping({
      ring: { k1: { state: "active" }, k0: { state: "decrypt-only", notAfter: end } },
    });
    expect([keeper.active(), keeper.opens("k0"), keeper.opens("k1")]).toEqual(["k1", true, true]);
  });
});

describe("when a new key becomes active", () => {
  const rotated = () => ({
    k2: { state: "active" as const },
    k1: { state: "decrypt-only" as const, notAfter: Date.now() + 60_000 },
  });

  test("the former one seals until the new one arrives, and still opens; the process stays ready", async () => {
    await using keeper = await keeping();
    const release = Promise.withResolvers<void>();
    deployment.keyring.hold = () => release.promise;
    const changes: boolean[] = [];
    keeper.readiness.onChange((ready) => changes.push(ready));
    deployment.keyring.set(rotated());
    await deployment.keyring.broadcast();
    await eventually(() => deployment.keyring.asked.at(-1)?.kid === "k2");
    expect([keeper.active(), keeper.opens("k1"), keeper.opens("k2")]).toEqual(["k1", true, false]);
    release.resolve();
    await eventually(() => keeper.active() === "k2");
    expect([keeper.opens("k1"), keeper.opens("k2")]).toEqual([true, true]);
    expect(changes).toEqual([]);
  });

  test("the former one is dropped at its end, without a further message", async () => {
    await using keeper = await keeping();
    deployment.keyring.set(rotated());
    await deployment.keyring.broadcast();
    await eventually(() => keeper.active() === "k2");
    keeper.clock.skewMs = 61_000;
    await eventually(() => !keeper.opens("k1"));
    expect(keeper.opens("k2")).toBe(true);
  });

  test("a grant from before that ring neither prolongs the former one nor makes it seal again", async () => {
    const late = Promise.withResolvers<void>();
    deployment.keyring.set({ k1: { state: "active" } });
    deployment.keyring.hold = (request: GrantRequest) => (request.kid === "" ? late.promise : undefined);
    await using keeper = start();
    await eventually(() => deployment.keyring.asked.at(-1)?.kid === "");
    deployment.keyring.set(rotated());
    await deployment.keyring.broadcast();
    await heard();
    late.resolve();
    await eventually(() => keeper.active() === "k2" && keeper.opens("k1"));
    keeper.clock.skewMs = 61_000;
    await eventually(() => !keeper.opens("k1"));
    deployment.keyring.hold = () => undefined;
  });
});

describe("a ring", () => {
  test.each(["retired", "compromised"] as const)(
    "with a key that is %s wipes it synchronously, and the process is not ready",
    async (state) => {
      await using keeper = await keeping({ intents: ["chat", "tools"] });
      const silence = Promise.withResolvers<void>();
      deployment.keyring.hold = () => silence.promise;
      deployment.keyring.set({ k1: { state }, k2: { state: "active" } });
      await deployment.keyring.broadcast();
      await eventually(() => keeper.store.size === 0, { everyMs: 1 });
      expect(keeper.active()).toBeUndefined();
      expect(keeper.readiness.ready).toBe(false);
      silence.resolve();
      deployment.keyring.hold = () => undefined;
      await eventually(() => keeper.readiness.ready && keeper.active() === "k2");
    },
  );

  test("that withdraws a key wins over a grant that arrives later", async () => {
    await using keeper = await keeping({ intents: ["chat", "tools"] });
    const late = Promise.withResolvers<void>();
    deployment.keyring.hold = () => late.promise;
    deployment.keyring.set({
      k1: { state: "active" },
      k2: { state: "decrypt-only", notAfter: Date.now() + 60_000 },
    });
    await deployment.keyring.broadcast();
    await eventually(() => deployment.keyring.asked.at(-1)?.kid === "k2");
    deployment.keyring.set({ k1: { state: "active" }, k2: { state: "compromised" } });
    await deployment.keyring.broadcast();
    await heard();
    late.resolve();
    deployment.keyring.hold = () => undefined;
    await heard();
    expect([keeper.opens("k2"), keeper.opens("k1")]).toEqual([false, true]);
  });

  test("of a lower or the same generation is ignored", async () => {
    await using keeper = await keeping();
    const { generation } = deployment.keyring.ring;
    const keys = [{ kid: "k1", state: "compromised" as const, not_after: null }];
    for (const older of [generation, generation - 1, 1]) {
      await deployment.keyring.broadcast({ env: "dev", generation: older, keys });
    }
    await heard();
    expect(keeper.active()).toBe("k1");
  });

  test("older than a grant is ignored, even as the first one", async () => {
    deployment.keyring.set({ k1: { state: "active" } });
    const { generation } = deployment.keyring.ring;
    await using keeper = start();
    await eventually(() => keeper.active() === "k1");
    const keys = [{ kid: "k1", state: "retired" as const, not_after: null }];
    await deployment.keyring.broadcast({ env: "dev", generation: generation - 1, keys });
    await heard();
    expect(keeper.active()).toBe("k1");
    expect(keeper.readiness.ready).toBe(false);
  });

  test.each<[string, () => Promise<void>]>([
    ["that is garbage", () => deployment.keyring.broadcastBytes(Buffer.from("{}"))],
    ["that is too large", () => deployment.keyring.broadcastBytes(Buffer.alloc(40_000, 0x20))],
    ["that is empty", () => deployment.keyring.broadcastBytes(new Uint8Array(0))],
    [
      "of another environment",
      () => deployment.keyring.broadcast({ env: "prod", generation: 10 ** 6, keys: [] }),
    ],
    [
      "signed by another party",
      () => {
        const stranger = loadIdentity(deployment.transport("orchestrator"));
        if (stranger === undefined) throw new Error("no identity");
        return deployment.keyring.broadcast({ env: "dev", generation: 10 ** 6, keys: [] }, stranger);
      },
    ],
  ])("%s changes nothing", async (_case, broadcast) => {
    await using keeper = await keeping();
    await broadcast();
    await heard();
    expect(keeper.active()).toBe("k1");
    expect(keeper.readiness.ready).toBe(true);
  });
});

test("a key that was dropped because the clock was ahead is fetched again when the clock is right", async () => {
  await using keeper = await keeping({
    ring: { k1: { state: "active" }, k0: { state: "decrypt-only", notAfter: Date.now() + 60_000 } },
  });
  keeper.clock.skewMs = 3_600_000;
  await eventually(() => !keeper.opens("k0"));
  keeper.clock.skewMs = 0;
  await eventually(() => keeper.opens("k0"));
});

test("disposing drops every key, and ignores a grant that arrives later", async () => {
  const late = Promise.withResolvers<void>();
  const keeper = await keeping();
  deployment.keyring.hold = () => late.promise;
  deployment.keyring.set({
    k1: { state: "active" },
    k3: { state: "decrypt-only", notAfter: Date.now() + 60_000 },
  });
  await deployment.keyring.broadcast();
  await eventually(() => deployment.keyring.asked.at(-1)?.kid === "k3");
  await keeper[Symbol.asyncDispose]();
  expect(keeper.store.size).toBe(0);
  late.resolve();
  deployment.keyring.hold = () => undefined;
  await heard();
  expect(keeper.store.size).toBe(0);
});

test("a keyring that is away for a while is found again, without a tight loop of requests", async () => {
  const { keyring } = deployment;
  keyring.hold = () => undefined;
  keyring.set({});
  await using keeper = start();
  const before = keyring.asked.length;
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(keyring.asked.length - before).toBeLessThan(8);
  keyring.set({ k1: { state: "active" } });
  await eventually(() => keeper.active() === "k1");
});
