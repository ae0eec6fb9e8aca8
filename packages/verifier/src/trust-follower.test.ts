import { connectBus } from "@scbe/bus";
import {
  jcs,
  LATCH_TELLERS_MAX,
  patternOf,
  SUBJECTS,
  type TrustDocument,
  UNKNOWN_PROVIDER,
  writeMessage,
} from "@scbe/contracts";
import { type Clock, systemClock } from "@scbe/runtime";
import { createLogger } from "@scbe/service";
import {
  createTestHost,
  eventually,
  type SecuredNats,
  startLinkProxy,
  startSecuredNats,
} from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  judgeBroadcast,
  readTrustDocument,
  TRUST_DOCUMENT_BYTES_MAX,
  TrustFollower,
} from "./trust-follower.ts";

/** A real server with the permissions of the access table: a gateway follows, a scorer broadcasts. */
let nats: SecuredNats;
beforeAll(async () => {
  nats = await startSecuredNats();
});
afterAll(() => nats?.[Symbol.asyncDispose]());

const LONG = { timeoutMs: 20_000 };
const CREATED = "2027-01-15T08:00:00Z";

function documentAt(seq: number, created = CREATED, doubts = seq): TrustDocument {
  return { v: 1, stream: { created, seq }, providers: { openai: { ...UNKNOWN_PROVIDER, doubts } } };
}

interface Options {
  readonly on?: SecuredNats;
  /** The port that it connects to. */
  readonly port?: number;
  readonly clock?: Clock;
}

/** With it a scorer is never silent. */
const STOPPED: Clock = { ...systemClock, monotonic: () => 0 };

async function follow({ on = nats, port = on.server.port, clock = systemClock }: Options = {}) {
  await using stack = new AsyncDisposableStack();
  const transport = on.credentials.transport("gateway-openai", [`nats://127.0.0.1:${port}`]);
  const host = stack.use(await createTestHost({ transport, name: "gateway-openai" }));
  const follower = stack.use(new TrustFollower({ ...host, clock }));
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

/** The other side: broadcasts, and answers with its stored document, as a scorer or as a controller. */
async function scorer(on = nats, name: "trust-scorer" | "rollback-controller" = "trust-scorer") {
  const log = createLogger({ name: "test", level: "silent" });
  const bus = await connectBus({ ...on.transport(name), name, log });
  const broadcast = (text: string): void => bus.publish(SUBJECTS.trustState, Buffer.from(text));
  let stored: TrustDocument | undefined;
  let beforeAnswer: (() => Promise<void>) | undefined;
  let asked = 0;
  const subject = patternOf(name === "trust-scorer" ? "trustGet" : "trustLast");
  bus.subscribe(
    subject,
    async ({ reply }) => {
      asked += 1;
      const answer = stored;
      await beforeAnswer?.();
      if (reply !== undefined && answer !== undefined) bus.publish(reply, writeMessage(answer));
    },
    { queue: name },
  );
  await bus.flush();
  return {
    bus,
    broadcast,
    asked: () => asked,
    send: (document: TrustDocument) => broadcast(jcs(document)),
    store: (document: TrustDocument): void => {
      stored = document;
    },
    /** Delays each answer; it holds the document of the moment of the request. */
    hold: (until: () => Promise<void>): void => {
      beforeAnswer = until;
    },
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
}

describe("a document is held", () => {
  test("that is stored at start, and each that is broadcast; an unchanged one notifies no listener", async () => {
    await using from = await scorer();
    from.store(documentAt(10));
    await using it = await follow();
    await eventually(() => it.seq() === 10);
    const seen: (number | undefined)[] = [];
    using _failing = it.follower.onChange(() => {
      throw new Error("of the listener");
    });
    using _ = it.follower.onChange(() => seen.push(it.seq()));
    for (const seq of [11, 11, 12]) from.send(documentAt(seq));
    await eventually(() => seen.at(-1) === 12);
    expect(seen).toEqual([11, 12]);
    expect([await it.documents("applied"), await it.documents("old")]).toEqual([3, 1]);
    expect(it.logged("a listener of trust failed")).toBe(2);
  });

  test("when the process becomes ready", async () => {
    await using from = await scorer();
    from.store(documentAt(10));
    from.store(documentAt(77));
    await using it = await follow();
    await eventually(() => it.host.readiness.ready);
    expect(it.seq()).toBe(77);
  });

  test("but not from an older broadcast; the stored document decides", async () => {
    await using from = await scorer();
    from.store(documentAt(10));
    await using it = await follow({ clock: STOPPED });
    await eventually(() => it.seq() === 10);
    const seen: (number | undefined)[] = [];
    using _ = it.follower.onChange(() => seen.push(it.seq()));
    from.send(documentAt(20));
    await eventually(() => it.seq() === 20);
    from.store(documentAt(15));
    from.send(documentAt(5));
    await eventually(() => it.seq() === 15);
    expect(seen).toEqual([20, 15]);
  });

  test("and of another stream only the stored one", async () => {
    await using from = await scorer();
    from.store(documentAt(10));
    await using it = await follow();
    await eventually(() => it.seq() === 10);
    const anew = documentAt(3, "2027-02-01T08:00:00Z");
    from.store(anew);
    from.send(documentAt(99, "2027-03-01T08:00:00Z"));
    await eventually(() => it.seq() === 3);
    expect(it.follower.document).toEqual(anew);
  });

  test("but nothing invalid: it is counted, and logged once", async () => {
    await using from = await scorer();
    from.store(documentAt(10));
    await using it = await follow();
    await eventually(() => it.seq() === 10);
    for (const text of ["{", "[]", jcs({ ...documentAt(11), v: 2 })]) from.broadcast(text);
    await eventually(async () => (await it.documents("refused")) === 3);
    expect([it.seq(), it.follower.isHeard, it.logged("not a valid trust document")]).toEqual([10, false, 1]);
  });

  test("by a process that was cut off, as soon as its link is back", async () => {
    await using from = await scorer();
    from.store(documentAt(10));
    await using proxy = await startLinkProxy(nats.server.port);
    await using it = await follow({ port: proxy.port, clock: STOPPED });
    await eventually(() => it.seq() === 10);
    from.send(documentAt(11));
    await eventually(() => it.follower.isHeard && it.seq() === 11);
    from.store(documentAt(31));
    proxy.cut();
    await eventually(() => it.seq() === 31, LONG);
  });

  test("that was broadcast while an older answer was under way", async () => {
    await using from = await scorer();
    from.store(documentAt(10));
    const answer = Promise.withResolvers<void>();
    from.hold(() => answer.promise);
    await using it = await follow();
    await eventually(() => from.asked() > 0);
    from.send(documentAt(12));
    await eventually(() => it.seq() === 12);
    answer.resolve();
    await eventually(async () => (await it.documents("old")) > 0);
    expect(it.seq()).toBe(12);
  });
});

describe("without a scorer", () => {
  test("a process is not ready, says why, and finds a scorer that starts later", async () => {
    await using bare = await startSecuredNats({ provisioned: false });
    await using it = await follow({ on: bare });
    expect(it.dependency()).toMatchObject({ ok: false, reason: expect.stringContaining("no trust scorer") });
    await using from = await scorer(bare);
    expect(it.follower.document).toBeUndefined();
    from.store(documentAt(1));
    await eventually(() => it.seq() === 1, LONG);
    expect(it.dependency()).toMatchObject({ ok: true });
  }, 40_000);

  test("a process that starts beside a frozen scorer gets the document of a controller within seconds", async () => {
    await using bare = await startSecuredNats();
    await using controller = await scorer(bare, "rollback-controller");
    await using frozen = await scorer(bare);
    controller.store(documentAt(7));
    const startedAt = performance.now();
    for (const _ of [1, 2, 3]) {
      await using it = await follow({ on: bare });
      await eventually(() => it.seq() === 7, LONG);
    }
    expect(frozen.asked()).toBeGreaterThan(0);
    expect(performance.now() - startedAt).toBeLessThan(3 * 2500);
  });

  test("a process that starts takes the document of a controller, and then only those of a scorer", async () => {
    await using bare = await startSecuredNats({ provisioned: false });
    await using controller = await scorer(bare, "rollback-controller");
    controller.store(documentAt(7));
    await using it = await follow({ on: bare });
    await eventually(() => it.seq() === 7, LONG);
    expect(it.dependency()).toMatchObject({ ok: true });
    await using from = await scorer(bare);
    from.send(documentAt(8));
    await eventually(() => it.seq() === 8);
    controller.store(documentAt(3));
    expect(it.seq()).toBe(8);
  }, 40_000);

  test("the last document applies, and is requested again; the silence is logged once", async () => {
    await using from = await scorer();
    await using it = await follow();
    from.send(documentAt(50));
    await eventually(() => it.follower.isHeard && it.seq() === 50);
    expect([it.dependency()?.note, await it.metric("scbe_trust_stale")]).toEqual([undefined, 0]);
    from.store(documentAt(51));
    await eventually(() => it.seq() === 51, LONG);
    expect([it.follower.isHeard, await it.metric("scbe_trust_stale")]).toEqual([false, 1]);
    expect(it.dependency()).toMatchObject({ ok: true, note: expect.stringContaining("last known") });
    from.store(documentAt(52));
    await eventually(() => it.seq() === 52, LONG);
    expect(it.logged("the last known trust applies")).toBe(1);
    from.send(documentAt(53));
    await eventually(() => it.follower.isHeard && it.dependency()?.note === undefined);
    expect(it.logged("a trust scorer is heard")).toBe(2);
  }, 40_000);
});

const CALIBRATION = { score: 1, reason: "\u0001".repeat(500), by: "\u0001".repeat(128), at: 1 };
const TIME = 9e15;
const LATCH = { since: TIME, event: "e".repeat(64), n: TIME };
const ROW = {
  ...{ w: 123_456.12345, samples: TIME, exclusions: TIME, exclusion: { since: TIME, until: TIME } },
  ...{ latch: LATCH, at: TIME },
};
/** The largest possible one. */
const LARGEST: TrustDocument = {
  v: 1,
  stream: { created: "2027-01-15T08:00:00Z", seq: 1 },
  providers: Object.fromEntries(
    Array.from({ length: 64 }, (_, index) => [
      `p${index}`.padEnd(64, "x"),
      {
        ...UNKNOWN_PROVIDER,
        calibration: CALIBRATION,
        tellers: Object.fromEntries([1, 2, 3, 4].map((n) => [`t${n}`.padEnd(64, "x"), ROW])),
        latch: {
          ...{ ...LATCH, cause: "bound_response_fails" },
          tellers: Array.from({ length: LATCH_TELLERS_MAX }, () => "t".padEnd(64, "x")),
        },
      },
    ]),
  ),
};

test("the largest possible document is read", () => {
  const bytes = writeMessage(LARGEST);
  expect(readTrustDocument(bytes)).toEqual(LARGEST);
});

test.each([
  ["not an object", "[]"],
  ["not JSON", "{"],
  ["of another version", jcs({ ...LARGEST, v: 2 })],
  ["one with another member", jcs({ ...LARGEST, more: 1 })],
  ["too large", `${jcs(LARGEST)}${" ".repeat(TRUST_DOCUMENT_BYTES_MAX)}`],
])("a document that is %s is not read", (_is, text) => {
  expect(readTrustDocument(Buffer.from(text))).toBeUndefined();
});

const HELD = { stream: { created: "monday", seq: 7 } };

test.each([
  ["the first broadcast is taken", undefined, { created: "monday", seq: 0 }, "take"],
  ["a newer broadcast is taken", HELD, { created: "monday", seq: 8 }, "take"],
  ["a broadcast with the same number is taken", HELD, { created: "monday", seq: 7 }, "take"],
  ["an older broadcast is not", HELD, { created: "monday", seq: 6 }, "fetch"],
  [
    "a broadcast of another stream is not, whatever its number",
    HELD,
    { created: "tuesday", seq: 9 },
    "fetch",
  ],
] as const)("%s", (_is, held, place, judgement) => {
  expect(judgeBroadcast(held, place)).toBe(judgement);
});
