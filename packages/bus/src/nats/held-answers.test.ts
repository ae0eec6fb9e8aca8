import { collectLogs, eventually, type NatsServer, startNats } from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Bus, EndpointDefinition } from "../bus.ts";
import { connectBus } from "./connect-bus.ts";
import { HELD_MAX, type HeldAnswer, HeldAnswers, STEP_MS, sendingTime } from "./held-answers.ts";

const NOTHING = new Uint8Array(0);

describe("answers that are held back", () => {
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

  test("are sent in the order in which they are due, whatever the order in which they came", async () => {
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

  test("are sent at a time that depends on when they are due alone, and not on when they were added", async () => {
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

  test("come at that time itself: what was spent before the wait is no part of it", async () => {
    const lateMs: number[] = [];
    for (let n = 0; n < 40; n += 1) {
      const due = performance.now() + 8;
      const until = performance.now() + 0.6;
      while (performance.now() < until);
      held.add(answer("one", due));
      await held.idle();
      lateMs.push(sent.at(-1)?.lateMs ?? Number.NaN);
    }
    // The machine delays some; it hastens none.
    expect(Math.min(...lateMs)).toBeGreaterThanOrEqual(0);
    expect(Math.min(...lateMs)).toBeLessThan(0.3);
  });

  test("that are due already are sent, but never in the turn in which they are added", async () => {
    held.add(answer("late", performance.now() - 1000));
    expect(sent).toEqual([]);
    await held.idle();
    expect(sent).toHaveLength(1);
  });

  test("are as many as there are places; for another one, the one that is due first goes, and of its own pool", () => {
    const due = performance.now() + 60_000;
    held.add(answer("another's", due - 1000, "anthropic"));
    for (let n = 0; n < HELD_MAX + 3; n += 1) held.add(answer(`no. ${n}`, due + n));
    expect(dropped).toEqual(["no. 0", "no. 1", "no. 2"]);
    expect(held.size).toBe(HELD_MAX + 1);
    held.clear();
    expect(dropped).toHaveLength(HELD_MAX + 4);
    expect(held.size).toBe(0);
  });

  test("that were sent have left their places to others", async () => {
    for (let round = 0; round < 2; round += 1) {
      const due = performance.now() + 20;
      for (let n = 0; n < HELD_MAX; n += 1) held.add(answer(`no. ${n}`, due));
      await held.idle();
    }
    expect(sent).toHaveLength(2 * HELD_MAX);
    expect(dropped).toEqual([]);
  });
});

describe("an endpoint that holds its answers back", () => {
  let nats: NatsServer;
  let logs = collectLogs();
  let metrics = new Registry();
  let asker: Bus;
  beforeAll(async () => {
    nats = await startNats();
    asker = await connectBus({ servers: [nats.url], name: "asker", log: logs.log });
  });
  beforeEach(() => {
    [logs, metrics] = [collectLogs(), new Registry()];
  });
  afterAll(async () => {
    await asker?.[Symbol.asyncDispose]();
    await nats?.[Symbol.asyncDispose]();
  });

  /** Has one place, and answers `hold` that many ms after its arrival, everything else at once. */
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

  /** What a question hears, until the test is over. */
  function hear(stack: DisposableStack): { texts: string[]; afterMs: number[] } {
    const started = performance.now();
    const heard = { texts: [] as string[], afterMs: [] as number[] };
    stack.use(
      asker.exchange("svc.held.hold", Buffer.from("late"), {
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

  test("has its place free meanwhile, and sends each at its time", async () => {
    await using _server = await serve(400);
    using stack = new DisposableStack();
    const all = Array.from({ length: 20 }, () => hear(stack));
    await eventually(async () => (await held()) === 40);
    await asker.request("svc.held.other", NOTHING, { timeoutMs: 1000 });
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

  test("drops those that are due after the time to drain, counts them, and says so once", async () => {
    const server = await serve(60_000, 100);
    using stack = new DisposableStack();
    for (let n = 0; n < 3; n += 1) hear(stack);
    await eventually(async () => (await held()) === 6);
    await server[Symbol.asyncDispose]();
    expect(await dropped()).toBe(6);
    expect(logs.lines.filter(({ msg }) => msg === "answers that were held back are not sent")).toHaveLength(
      1,
    );
  });
});

function valueIn(shown: string, name: string): number | undefined {
  const line = shown.split("\n").find((it) => it.startsWith(`scbe_endpoint_held_${name}{`));
  return line === undefined ? undefined : Number(line.split(" ")[1]);
}
