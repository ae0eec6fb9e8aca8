import { type LeaseAnswer, writeMessage } from "@scbe/contracts";
import { encodeControl, sign, signControl } from "@scbe/envelope/control";
import { type Clock, systemClock } from "@scbe/runtime";
import {
  createIdentity,
  createTempDir,
  createTestHost,
  eventually,
  KILL,
  killing,
  REQUEST_ID,
  type SecuredNats,
  startLinkProxy,
  startSecuredNats,
  startTestController,
  type TestController,
  type TestControllerOptions,
} from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ControlFollower, type ControlFollowerOptions } from "./control-follower.ts";

/** A real server with the permissions of the access table: a gateway follows, a controller leads. */
let nats: SecuredNats;
beforeAll(async () => {
  nats = await startSecuredNats();
});
afterAll(() => nats?.[Symbol.asyncDispose]());

const LEASE_MS = 400;

type Options = Partial<
  Pick<ControlFollowerOptions, "stalePolicy" | "stateDir" | "clock" | "leaseMs" | "fallbackAllowed">
> & {
  readonly on?: SecuredNats;
  /** The port that it connects to. */
  readonly port?: number;
};

async function follow(controller: TestController, options: Options = {}) {
  const { on = nats, port = on.server.port, clock = systemClock, ...more } = options;
  await using stack = new AsyncDisposableStack();
  const transport = on.credentials.transport("gateway-openai", [`nats://127.0.0.1:${port}`]);
  const host = stack.use(await createTestHost({ transport, name: "gateway-openai", clock }));
  const metrics = new Registry();
  const follower = stack.use(
    new ControlFollower({
      ...host,
      clock,
      metrics,
      env: "dev",
      providers: ["openai"],
      publicKey: controller.publicKey,
      leaseMs: LEASE_MS,
      stalePolicy: "hold",
      fallbackAllowed: false,
      ...more,
    }),
  );
  const metric = async (series: string): Promise<number> => {
    const line = (await metrics.metrics()).split("\n").find((it) => it.startsWith(`${series} `));
    return Number(line?.split(" ").at(-1));
  };
  const held = stack.move();
  return {
    host,
    follower,
    metric,
    documents: (result: string) => metric(`scbe_control_documents_total{result="${result}"}`),
    leases: (result: string) => metric(`scbe_control_leases_total{result="${result}"}`),
    generation: () => follower.document?.state.generation,
    permits: () => follower.permits("request", "openai", REQUEST_ID),
    dependency: () => host.readiness.report().find(({ name }) => name === "control"),
    logged: (part: string) => host.logs.lines.filter(({ msg }) => msg?.includes(part)).length,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function both(options: Options & Partial<TestControllerOptions> = {}) {
  await using stack = new AsyncDisposableStack();
  const { on = nats, state, stores = false, ...more } = options;
  const transport = on.transport("rollback-controller");
  const controller = stack.use(await startTestController({ transport, stores, ...(state && { state }) }));
  const following = stack.use(await follow(controller, { on, ...more }));
  await eventually(() => following.follower.isStale === false);
  const held = stack.move();
  return { ...following, controller, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

describe("at its start a process is not ready", () => {
  test("before a lease of its own names the held document, also if one is stored", async () => {
    await using controller = await startTestController({
      transport: nats.transport("rollback-controller"),
      stores: true,
    });
    controller.silent = true;
    await using it = await follow(controller);
    await eventually(() => it.generation() === controller.document.state.generation);
    expect(it.dependency()).toMatchObject({ ok: false, reason: expect.stringContaining("confirmed") });
    expect(it.permits()).toBe(false);
    expect(it.follower.route("openai", REQUEST_ID)).toEqual({ way: "refused", why: "unknown" });
    controller.silent = false;
    await eventually(() => it.permits());
    expect(it.dependency()).toMatchObject({ ok: true });
  });

  test("and needs no JetStream: the lease answer brings the document", async () => {
    await using bare = await startSecuredNats({ provisioned: false });
    await using it = await both({ on: bare });
    expect(it.permits()).toBe(true);
    expect(it.controller.asked[0]).toMatchObject({ held: null });
  });
});

test.each([true, false])(
  "each lease request says whether this process may send unsealed: %s",
  async (allowed) => {
    await using it = await both({ fallbackAllowed: allowed });
    await it.controller.kill();
    await eventually(() => it.controller.asked.length > 1);
    expect(it.controller.asked.map(({ fallback }) => fallback)).toEqual(
      it.controller.asked.map(() => allowed),
    );
  },
);

describe("a document applies", () => {
  test("that is broadcast, and every change of it", async () => {
    await using it = await both();
    const changes: (boolean | undefined)[] = [];
    using _ = it.follower.onChange(() => changes.push(it.permits()));
    await it.controller.kill();
    await it.host.bus.flush();
    expect(it.permits()).toBe(false);
    expect(await it.metric('scbe_kill_switch_engaged{provider="openai"}')).toBe(1);
    await it.controller.release();
    await it.host.bus.flush();
    expect(it.permits()).toBe(true);
    expect(changes).toEqual([false, true]);
    expect(await it.metric("scbe_control_generation")).toBe(it.generation());
  });

  test("and acknowledged at once", async () => {
    await using it = await both({ leaseMs: 60_000 });
    const { digest, state } = await it.controller.kill();
    const held = { generation: state.generation, digest };
    await eventually(() => it.controller.asked.some((request) => request.held?.digest === digest));
    expect(it.controller.asked.at(-1)).toMatchObject({ held });
  });

  test("with the next lease if its broadcast was lost", async () => {
    await using it = await both();
    it.controller.document = it.controller.sign(killing(KILL));
    await eventually(() => !it.permits());
    expect(it.follower.isStale).toBe(false);
  });

  test("that is only stored, while no controller answers", async () => {
    await using it = await both({ stores: true });
    it.controller.silent = true;
    await it.controller.store(encodeControl(it.controller.sign(killing(KILL))));
    await eventually(() => !it.permits());
  });
});

test("a controller that names an older document gets the newer one with the next lease request; if it ignores it, the request after that comes without it", async () => {
  await using it = await both();
  const older = it.controller.document;
  const newer = await it.controller.kill();
  await eventually(() => it.generation() === newer.state.generation);
  it.controller.document = older;
  it.controller.tamper = (answer, { state }) => (state === undefined ? writeMessage(answer) : undefined);
  const before = it.controller.asked.length;
  const handedBack = () => it.controller.asked.slice(before).map(({ state }) => state?.signature);
  // A request without an answer is sent again with the same nonce: both count as one.
  const changes = () => handedBack().filter((signature, n, all) => signature !== all[n - 1]);
  await eventually(() => changes().length >= 4, { timeoutMs: 15_000 });
  expect(new Set(handedBack())).toEqual(new Set([undefined, newer.signed.signature]));
  expect(it.permits()).toBe(false);
});

describe("after a controller falls silent", () => {
  test("a process that holds obeys the last document; it still takes broadcasts, and reports that it is stale", async () => {
    await using it = await both({ stalePolicy: "hold" });
    it.controller.silent = true;
    await eventually(() => it.follower.isStale);
    expect(it.permits()).toBe(true);
    await eventually(() => it.dependency()?.note !== undefined);
    expect(it.dependency()).toMatchObject({ ok: true });
    expect(await it.metric("scbe_control_stale")).toBe(1);
    await it.controller.kill();
    await it.host.bus.flush();
    expect(it.permits()).toBe(false);
  });

  test("a process that refuses stops everything until the controller answers again; each is logged once", async () => {
    await using it = await both({ stalePolicy: "refuse" });
    it.controller.silent = true;
    await eventually(() => !it.permits());
    expect(it.follower.permits("response", "openai", REQUEST_ID)).toBe(false);
    expect(it.follower.route("openai", REQUEST_ID)).toEqual({ way: "refused", why: "stale" });
    await eventually(() => it.dependency()?.ok === false);
    const unanswered = await it.leases("unanswered");
    await eventually(async () => (await it.leases("unanswered")) > unanswered + 2);
    expect(it.logged("no controller confirms")).toBe(1);
    it.controller.silent = false;
    await eventually(() => it.permits() && it.dependency()?.ok);
    expect(it.logged("a controller confirms")).toBe(2);
  });
});

describe("with a link that is half open during a kill", () => {
  test("a process that refuses stops everything when its lease ends at the latest", async () => {
    await using proxy = await startLinkProxy(nats.server.port);
    await using it = await both({ port: proxy.port, stalePolicy: "refuse" });
    proxy.stall();
    const stalledAt = performance.now();
    await it.controller.kill();
    // By the same clock as leases: reading it is enough, no timer needs to run.
    while (performance.now() < stalledAt + LEASE_MS) await new Promise((resolve) => setImmediate(resolve));
    expect(it.generation()).toBeLessThan(it.controller.document.state.generation);
    expect(it.permits()).toBe(false);
    proxy.resume();
    await eventually(() => it.generation() === it.controller.document.state.generation, {
      timeoutMs: 10_000,
    });
    expect(it.permits()).toBe(false);
  });

  test("a process that holds goes on, and obeys within 10 s of the link's return", async () => {
    await using proxy = await startLinkProxy(nats.server.port);
    await using it = await both({ port: proxy.port, stalePolicy: "hold" });
    proxy.stall();
    await it.controller.kill();
    // Until the link counts as dead, and reconnecting hangs as well.
    await eventually(() => !it.host.bus.connected, { timeoutMs: 8000 });
    expect(it.permits()).toBe(true);
    expect(it.follower.isStale).toBe(true);
    proxy.resume();
    await eventually(() => !it.permits(), { timeoutMs: 10_000 });
    await eventually(() => !it.follower.isStale);
  });
});

describe("a replay of recorded messages changes nothing", () => {
  test("of documents, neither after an un-kill nor after a kill", async () => {
    await using it = await both();
    const recorded = [it.controller.document];
    const play = async (): Promise<void> => {
      for (const document of recorded) await it.controller.broadcast(encodeControl(document));
      await it.host.bus.flush();
    };
    recorded.push(await it.controller.kill(), await it.controller.release());
    await play();
    expect([it.permits(), it.generation()]).toEqual([true, recorded[2]?.state.generation]);
    recorded.push(await it.controller.kill());
    await play();
    expect([it.permits(), it.generation()]).toEqual([false, recorded[3]?.state.generation]);
    expect(await it.documents("applied")).toBe(4);
    // Lease answers can bring more of them.
    expect(await it.documents("old")).toBeGreaterThanOrEqual(7);
  });

  test("of lease answers: the answer to another request is refused, and the lease ends", async () => {
    await using it = await both({ stalePolicy: "refuse" });
    const recorded = await eventually(() => it.controller.answered[0]);
    it.controller.tamper = () => recorded;
    await eventually(() => !it.permits());
    expect(await it.leases("refused")).toBeGreaterThan(0);
  });

  test("of lease answers, each delayed until the next request", async () => {
    await using it = await both({ stalePolicy: "refuse" });
    let before: Uint8Array | undefined;
    it.controller.tamper = (answer) => {
      const delayed = before;
      before = writeMessage(answer);
      return delayed;
    };
    await eventually(() => !it.permits());
  });
});

test.each([600_000, -600_000])("a clock that is %i ms off holds its lease", async (offMs) => {
  const clock: Clock = { now: () => Date.now() + offMs, monotonic: () => performance.now() };
  await using it = await both({ clock, stalePolicy: "refuse" });
  let lost = 0;
  using _ = it.follower.onChange(() => (lost += 1));
  await eventually(async () => (await it.leases("granted")) >= 6);
  expect([lost, it.permits()]).toEqual([0, true]);
});

test("documents that are not from the controller, or not control documents, are ignored and counted", async () => {
  await using bare = await startSecuredNats({ provisioned: false });
  await using it = await both({ on: bare });
  const { document } = it.controller;
  const generation = document.state.generation + 5;
  const killed = { ...document.state, ...killing(KILL), generation };
  for (const bytes of [
    encodeControl(signControl(killed, createIdentity())),
    encodeControl(signControl({ ...killed, env: "prod" }, it.controller.identity)),
    writeMessage({ v: 1, ...sign("lease", "dev", killed, it.controller.identity) }),
    Buffer.alloc(200_000, 0x20),
    new Uint8Array(0),
  ]) {
    await it.controller.broadcast(bytes);
  }
  await it.host.bus.flush();
  expect(await it.documents("refused")).toBe(5);
  await it.controller.broadcast(
    encodeControl(signControl({ ...killed, generation: 1 }, it.controller.identity)),
  );
  await it.host.bus.flush();
  expect(await it.documents("old")).toBe(1);
  expect([it.permits(), it.generation()]).toEqual([true, document.state.generation]);
});

describe("a lease answer counts only", () => {
  const lying = async (lie: (answer: LeaseAnswer, it: TestController, nonce: string) => object) => {
    const it = await both({ stalePolicy: "refuse" });
    it.controller.tamper = (answer, { nonce }) => writeMessage(lie(answer, it.controller, nonce));
    return it;
  };

  test("with the controller's signature", async () => {
    const stranger = createIdentity();
    await using it = await lying((_, { document }, nonce) => {
      const { digest, state } = document;
      return { v: 1, ...sign("lease", "dev", { nonce, generation: state.generation, digest }, stranger) };
    });
    await eventually(() => !it.permits());
  });

  test("for the held document; a process with another one sends it with the next request", async () => {
    await using it = await lying((_, { document, identity }, nonce) => {
      const { digest, state } = document;
      return { v: 1, ...sign("lease", "dev", { nonce, generation: state.generation - 1, digest }, identity) };
    });
    await eventually(() => !it.permits());
    const { signed } = it.controller.document;
    await eventually(() => it.controller.asked.some(({ state }) => state !== undefined));
    expect(it.controller.asked.at(-1)?.state).toEqual(signed);
    it.controller.tamper = undefined;
    await eventually(() => it.permits());
    const asked = it.controller.asked.length;
    await eventually(() => it.controller.asked.length > asked + 1);
    expect(it.controller.asked.at(-1)?.state).toBeUndefined();
  });

  test("and a store that went back makes no process go back", async () => {
    await using it = await both();
    const before = it.controller.document;
    const { state } = await it.controller.kill();
    await eventually(() => !it.permits());
    it.controller.document = before;
    await eventually(() => it.follower.isStale);
    expect([it.permits(), it.generation()]).toEqual([false, state.generation]);
    expect(await it.leases("refused")).toBeGreaterThan(0);
  });
});

test("after a restart no older document is obeyed than before, given a state folder", async () => {
  using dir = createTempDir();
  await using controller = await startTestController({ transport: nats.transport("rollback-controller") });
  const before = controller.document;
  {
    await using it = await follow(controller, { stateDir: dir.path });
    await controller.kill();
    await eventually(() => it.generation() === controller.document.state.generation);
  }
  const { document } = controller;
  controller.document = before;
  await using it = await follow(controller, { stateDir: dir.path });
  await eventually(async () => (await it.documents("old")) > 0);
  expect(it.generation()).toBeUndefined();
  controller.document = document;
  await eventually(() => it.generation() === document.state.generation);
});

test("after a restart of the server a lease is requested at once", async () => {
  await using own = await startSecuredNats();
  await using it = await both({ on: own, leaseMs: 60_000 });
  const asked = it.controller.asked.length;
  await own.server.restart();
  await eventually(() => it.controller.asked.length > asked, { timeoutMs: 10_000 });
  expect(it.permits()).toBe(true);
});

test("no permission to watch or write the bucket is needed", async () => {
  await using it = await both({ stores: true });
  await it.controller.kill();
  await eventually(() => !it.permits());
  expect(it.logged("NATS does not allow this")).toBe(0);
});
