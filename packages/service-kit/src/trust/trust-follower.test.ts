import { BUCKETS, KV_KEYS, SUBJECTS, type TrustDocument, UNKNOWN_PROVIDER } from "@scbe/contracts";
import {
  createTestHost,
  eventually,
  type SecuredNats,
  startLinkProxy,
  startSecuredNats,
} from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Bucket, Bus } from "../bus.ts";
import { type Clock, systemClock } from "../clock.ts";
import { createLogger } from "../logger.ts";
import { connectBus } from "../nats/connect-bus.ts";
import { provision } from "../nats/provision.ts";
import { TrustFollower } from "./trust-follower.ts";

/** On a real server, with the rights that the access table gives: a gateway follows, a scorer speaks. */
let nats: SecuredNats;
beforeAll(async () => {
  nats = await startSecuredNats();
});
afterAll(() => nats?.[Symbol.asyncDispose]());

const LONG = { timeoutMs: 20_000 };
const CREATED = "2027-01-15T08:00:00Z";

function documentAt(seq: number, created = CREATED, w = seq / 100): TrustDocument {
  return { v: 1, stream: { created, seq }, providers: { openai: { ...UNKNOWN_PROVIDER, w } } };
}

interface Options {
  readonly on?: SecuredNats;
  /** The port that it connects to. */
  readonly port?: number;
  readonly clock?: Clock;
  /** Holds up what the bucket has answered. */
  readonly afterGet?: () => Promise<void>;
}

/** Nothing is ever silent by it. */
const STOPPED: Clock = { ...systemClock, monotonic: () => 0 };

async function follow({ on = nats, port = on.server.port, clock = systemClock, afterGet }: Options = {}) {
  await using stack = new AsyncDisposableStack();
  const transport = on.credentials.transport("gateway-openai", [`nats://127.0.0.1:${port}`]);
  const host = stack.use(await createTestHost({ transport, name: "gateway-openai" }));
  const bus = afterGet === undefined ? host.bus : withSlowBucket(host.bus, afterGet);
  const follower = stack.use(new TrustFollower({ ...host, bus, clock }));
  await host.bus.flush();
  const metric = async (series: string): Promise<number> => {
    const line = (await host.metrics.metrics()).split("\n").find((it) => it.startsWith(`${series} `));
    return Number(line?.split(" ").at(-1));
  };
  const held = stack.move();
  return {
    ...{ host, follower, metric },
    seq: () => follower.document?.stream.seq,
    documents: (result: string) => metric(`scbe_trust_documents_total{result="${result}"}`),
    dependency: () => host.readiness.report().find(({ name }) => name === "trust"),
    logged: (part: string) => host.logs.lines.filter(({ msg }) => msg?.includes(part)).length,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function withSlowBucket(bus: Bus, afterGet: () => Promise<void>) {
  return {
    subscribe: bus.subscribe.bind(bus),
    onReconnect: bus.onReconnect.bind(bus),
    bucket: async (...args: Parameters<Bus["bucket"]>): Promise<Bucket> => {
      const bucket = await bus.bucket(...args);
      const get = async (key: string) => {
        const entry = await bucket.get(key);
        await afterGet();
        return entry;
      };
      return { get, create: bucket.create, update: bucket.update, watch: bucket.watch };
    },
  };
}

async function scorer(on = nats) {
  const log = createLogger({ name: "test", level: "silent" });
  const bus = await connectBus({ ...on.transport("trust-scorer"), name: "trust-scorer", log });
  const say = (text: string): void => bus.publish(SUBJECTS.trustState, Buffer.from(text));
  return {
    bus,
    say,
    speak: (document: TrustDocument) => say(JSON.stringify(document)),
    store: async (document: TrustDocument) => {
      const bucket = await bus.bucket(BUCKETS.trust);
      const bytes = Buffer.from(JSON.stringify(document));
      const before = await bucket.get(KV_KEYS.trust);
      if (before === undefined) await bucket.create(KV_KEYS.trust, bytes);
      else await bucket.update(KV_KEYS.trust, bytes, before.revision);
    },
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
}

describe("a document is held", () => {
  beforeEach(async () => {
    await using it = await scorer();
    await it.store(documentAt(10));
  });

  test("that is stored at start, and each that is broadcast; an unchanged one tells nobody", async () => {
    await using from = await scorer();
    await using it = await follow();
    await eventually(() => it.seq() === 10);
    const seen: (number | undefined)[] = [];
    using _failing = it.follower.onChange(() => {
      throw new Error("a listener's own");
    });
    using _ = it.follower.onChange(() => seen.push(it.seq()));
    for (const seq of [11, 11, 12]) from.speak(documentAt(seq));
    await eventually(() => seen.at(-1) === 12);
    expect(seen).toEqual([11, 12]);
    expect([await it.documents("applied"), await it.documents("old")]).toEqual([3, 1]);
    expect(it.logged("a listener of trust failed")).toBe(2);
  });

  test("and is held when its process is ready", async () => {
    await using from = await scorer();
    await from.store(documentAt(77));
    await using it = await follow();
    await eventually(() => it.host.readiness.ready);
    expect(it.seq()).toBe(77);
  });

  test("and not what a broadcast says that goes back; what is stored decides", async () => {
    await using from = await scorer();
    await using it = await follow({ clock: STOPPED });
    await eventually(() => it.seq() === 10);
    const seen: (number | undefined)[] = [];
    using _ = it.follower.onChange(() => seen.push(it.seq()));
    from.speak(documentAt(20));
    await eventually(() => it.seq() === 20);
    await from.store(documentAt(15));
    from.speak(documentAt(5));
    await eventually(() => it.seq() === 15);
    expect(seen).toEqual([20, 15]);
  });

  test("and of another stream only what is stored", async () => {
    await using from = await scorer();
    await using it = await follow();
    await eventually(() => it.seq() === 10);
    const anew = documentAt(3, "2027-02-01T08:00:00Z");
    await from.store(anew);
    from.speak(documentAt(99, "2027-03-01T08:00:00Z"));
    await eventually(() => it.seq() === 3);
    expect(it.follower.document).toEqual(anew);
  });

  test("but nothing that is none: it is counted, and warned of once", async () => {
    await using from = await scorer();
    await using it = await follow();
    await eventually(() => it.seq() === 10);
    for (const text of ["{", "[]", JSON.stringify({ ...documentAt(11), v: 2 })]) from.say(text);
    await eventually(async () => (await it.documents("refused")) === 3);
    expect([it.seq(), it.follower.isHeard, it.logged("is none")]).toEqual([10, false, 1]);
  });

  test("by one that was cut off, as soon as its link is back", async () => {
    await using from = await scorer();
    await using proxy = await startLinkProxy(nats.server.port);
    await using it = await follow({ port: proxy.port, clock: STOPPED });
    await eventually(() => it.seq() === 10);
    from.speak(documentAt(11));
    await eventually(() => it.follower.isHeard && it.seq() === 11);
    await from.store(documentAt(31));
    proxy.cut();
    await eventually(() => it.seq() === 31, LONG);
  });

  test("that was broadcast while an older one was looked up", async () => {
    await using from = await scorer();
    const answer = Promise.withResolvers<void>();
    let wasAsked = false;
    const afterGet = (): Promise<void> => {
      wasAsked = true;
      return answer.promise;
    };
    await using it = await follow({ afterGet });
    await eventually(() => wasAsked);
    from.speak(documentAt(12));
    await eventually(() => it.seq() === 12);
    answer.resolve();
    await eventually(async () => (await it.documents("old")) === 1);
    expect(it.seq()).toBe(12);
  });
});

describe("without a scorer", () => {
  test("a process is ready, and says that nobody has spoken; it finds a bucket that comes later", async () => {
    await using bare = await startSecuredNats({ provisioned: false });
    await using it = await follow({ on: bare });
    expect(it.dependency()).toMatchObject({ ok: false, reason: "it is being looked up" });
    await eventually(() => it.host.readiness.ready);
    expect(it.dependency()).toMatchObject({ ok: true, note: expect.stringContaining("has been heard of") });
    expect(it.follower.document).toBeUndefined();
    const { log } = it.host;
    await provision({
      ...bare.transport("provision"),
      ...{ name: "provision", log, env: "dev", replicas: 1 },
    });
    await using from = await scorer(bare);
    await from.store(documentAt(1));
    await eventually(() => it.seq() === 1, LONG);
  }, 40_000);

  test("what was last known stands, and is looked up again; the silence is told once", async () => {
    await using from = await scorer();
    await using it = await follow();
    from.speak(documentAt(50));
    await eventually(() => it.follower.isHeard && it.seq() === 50);
    expect([it.dependency()?.note, await it.metric("scbe_trust_stale")]).toEqual([undefined, 0]);
    await from.store(documentAt(51));
    await eventually(() => it.seq() === 51, LONG);
    expect([it.follower.isHeard, await it.metric("scbe_trust_stale")]).toEqual([false, 1]);
    expect(it.dependency()).toMatchObject({ ok: true, note: expect.stringContaining("last known") });
    await from.store(documentAt(52));
    await eventually(() => it.seq() === 52, LONG);
    expect(it.logged("what was last known stands")).toBe(1);
    from.speak(documentAt(53));
    await eventually(() => it.follower.isHeard && it.dependency()?.note === undefined);
    expect(it.logged("a trust scorer is heard")).toBe(2);
  }, 40_000);
});
