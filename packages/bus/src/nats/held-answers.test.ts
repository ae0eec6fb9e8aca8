import { collectLogs, eventually, type NatsServer, startNats } from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Bus, EndpointDefinition } from "../bus.ts";
import { connectBus } from "./connect.ts";
import { HELD_MAX, type HeldAnswer, HeldAnswers, STEP_MS, sendingTime } from "./held-answers.ts";

const NOTHING = new Uint8Array(0);

describe("held answers", () => {
  interface Sent {
    readonly reply: string;
    /** After {@link sendingTime}. */
    readonly lateMs: number;
  }
  let sent: Sent[] = [];
  let dropped: string[] = [];
  let held: HeldAnswers;

  beforeEach(() => {
    [sent, dropped] = [[], []];
    held = new HeldAnswers({
      send: ({ reply, notBefore }) =>
        void sent.push({ reply, lateMs: performance.now() - sendingTime(notBefore) }),
      dropped: ({ reply }) => void dropped.push(reply),
    });
  });
  afterEach(() => held.clear());

  const answer = (reply: string, notBefore: number, place = "openai"): HeldAnswer => ({
    ...{ place, reply, data: NOTHING, headers: undefined, notBefore },
  });

  test("are sent in the order in which they are due, in whatever order they were added", async () => {
    const now = performance.now();
    for (const [reply, ms] of [
      ["c", 90],
      ["a", 30],
      ["d", 120],
      ["b", 60],
    ] as const)
      held.add(answer(reply, now + ms));
    await held.idle();
    expect(sent.map(({ reply }) => reply)).toEqual(["a", "b", "c", "d"]);
    expect(held.size).toBe(0);
  });

  test("are sent at a time that depends only on when they are due, not on when they were added", async () => {
    const started = performance.now();
    const due = started + 40;
    for (let n = 0; n < 300; n += 1) {
      const until = performance.now() + Math.random() / 10;
      while (performance.now() < until);
      held.add(answer(`at once ${n}`, due));
    }
    await held.idle();
    expect(sent).toHaveLength(300);
    for (const { lateMs } of sent) expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(sendingTime(due) - due).toBeLessThanOrEqual(STEP_MS);
  });

  test("are sent at that time exactly: time spent before the wait does not delay them", async () => {
    const lateMs: number[] = [];
    for (let n = 0; n < 40; n += 1) {
      const due = performance.now() + 8;
      const until = performance.now() + 0.6;
      while (performance.now() < until);
      held.add(answer("one", due));
      await held.idle();
      lateMs.push(sent.at(-1)?.lateMs ?? Number.NaN);
    }
    // The machine may delay some, but never sends one early.
    expect(Math.min(...lateMs)).toBeGreaterThanOrEqual(0);
    expect(Math.min(...lateMs)).toBeLessThan(0.3);
  });

  test("that are due already are sent, but never while they are being added", async () => {
    held.add(answer("late", performance.now() - 1000));
    expect(sent).toEqual([]);
    await held.idle();
    expect(sent).toHaveLength(1);
  });

  test("are limited in number: if the pool is full, a further one replaces the one in it that is due first", () => {
    const due = performance.now() + 60_000;
    held.add(answer("another's", due - 1000, "anthropic"));
    for (let n = 0; n < HELD_MAX + 3; n += 1) held.add(answer(`no. ${n}`, due + n));
    expect(dropped).toEqual(["no. 0", "no. 1", "no. 2"]);
    expect(held.size).toBe(HELD_MAX + 1);
    held.clear();
    expect(dropped).toHaveLength(HELD_MAX + 4);
    expect(held.size).toBe(0);
  });

  test("free their places when they are sent", async () => {
    for (let round = 0; round < 2; round += 1) {
      const due = performance.now() + 20;
      for (let n = 0; n < HELD_MAX; n += 1) held.add(answer(`no. ${n}`, due));
      await held.idle();
    }
    expect(sent).toHaveLength(2 * HELD_MAX);
    expect(dropped).toEqual([]);
  });
});

describe("an endpoint that holds its answers", () => {
  let nats: NatsServer;
  let logs = collectLogs();
  let metrics = new Registry();
  let requester: Bus;
  beforeAll(async () => {
    nats = await startNats();
    requester = await connectBus({ servers: [nats.url], name: "requester", log: logs.log });
  });
  beforeEach(() => {
    [logs, metrics] = [collectLogs(), new Registry()];
  });
  afterAll(async () => {
    await requester?.[Symbol.asyncDispose]();
    await nats?.[Symbol.asyncDispose]();
  });

  /** Serves with one place; it answers `hold` that many ms after its arrival, everything else at once. */
  async function serve(holdMs: number, drainTimeoutMs = 5000): Promise<Bus> {
    const server = await connectBus({
      ...{ servers: [nats.url], name: "server", log: logs.log, drainTimeoutMs, metrics },
    });
    const endpoint: EndpointDefinition = {
      name: "held",
      subject: "svc.held.*",
      tokens: ["provider"],
      concurrency: 1,
      handler: (request) => {
        const { arrivedAt, data, provider } = request;
        if (provider !== "hold") return { data };
        request.respondEarly({ data: Buffer.from("early"), notBefore: arrivedAt + holdMs / 2 });
        return { data, notBefore: arrivedAt + holdMs };
      },
    };
    const service = server.service({
      ...{ name: "holding", version: "1.0.0", description: "answers late", queue: "q" },
      endpoints: [endpoint],
    });
    await service.join();
    await server.flush();
    return server;
  }

  /** Collects the answers to a request until the end of the test. */
  function hear(stack: DisposableStack): { texts: string[]; afterMs: number[] } {
    const started = performance.now();
    const heard = { texts: [] as string[], afterMs: [] as number[] };
    stack.use(
      requester.exchange("svc.held.hold", Buffer.from("late"), {
        onAnswer: ({ data }) => {
          heard.texts.push(Buffer.from(data).toString());
          heard.afterMs.push(performance.now() - started);
        },
        onFailure: () => undefined,
      }),
    );
    return heard;
  }

  const held = async (): Promise<number | undefined> => valueIn(await metrics.metrics(), "answers");
  const dropped = async (): Promise<number | undefined> =>
    valueIn(await metrics.metrics(), "answers_dropped_total");

  test("frees its place meanwhile, and sends each at its time", async () => {
    await using _server = await serve(400);
    using stack = new DisposableStack();
    const all = Array.from({ length: 20 }, () => hear(stack));
    await eventually(async () => (await held()) === 40);
    await requester.request("svc.held.other", NOTHING, { timeoutMs: 1000 });
    await eventually(() => all.every(({ texts }) => texts.length === 2));
    for (const { texts, afterMs } of all) {
      expect(texts).toEqual(["early", "late"]);
      expect(afterMs[0]).toBeGreaterThanOrEqual(200);
      expect(afterMs[1]).toBeGreaterThanOrEqual(400);
    }
    expect([await held(), await dropped()]).toEqual([0, 0]);
  });

  test("sends them when it drains", async () => {
    const server = await serve(400);
    using stack = new DisposableStack();
    const all = Array.from({ length: 20 }, () => hear(stack));
    await eventually(async () => (await held()) === 40);
    await server[Symbol.asyncDispose]();
    await eventually(() => all.every(({ texts }) => texts.length === 2));
    expect(await dropped()).toBe(0);
  });

  test("drops those that are due after the time to drain, counts them, and logs that once", async () => {
    const server = await serve(60_000, 100);
    using stack = new DisposableStack();
    for (let n = 0; n < 3; n += 1) hear(stack);
    await eventually(async () => (await held()) === 6);
    await server[Symbol.asyncDispose]();
    expect(await dropped()).toBe(6);
    expect(logs.lines.filter(({ msg }) => msg === "held answers were dropped")).toHaveLength(1);
  });
});

function valueIn(scrape: string, name: string): number | undefined {
  const line = scrape.split("\n").find((it) => it.startsWith(`scbe_endpoint_held_${name}{`));
  return line === undefined ? undefined : Number(line.split(" ")[1]);
}
