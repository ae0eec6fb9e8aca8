import { randomBytes } from "node:crypto";
import { PROBLEM_MEDIA_TYPE, type Problem, ScbeError } from "@scbe/contracts";
import type { SealedRequest } from "@scbe/envelope";
import { collectLogs, type Deployment, eventually, startDeployment } from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { RawCaller, type Reply, type SentRequest } from "../../test/raw-caller.ts";
import type { Client, Gateway, Handler, HandlerAnswer, OpenedCall, ServeOptions } from "../index.ts";

const FLOOR_MS = 300;
const variables = { SCBE_ADMIT_TIMEOUT_MS: "250", SCBE_NOISE_FLOOR_MS: String(FLOOR_MS) };

let deployment: Deployment;
let client: Client;
let caller: RawCaller;
const logs = collectLogs();

beforeAll(async () => {
  deployment = await startDeployment(variables);
  client = await deployment.gateway({ log: logs.log });
  caller = new RawCaller(deployment.bus, deployment.keyring, deployment.guard);
});
afterAll(async () => {
  await client?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  deployment.guard.verdict = undefined;
});

const echo: Handler = ({ body, header }) => ({ body, contentType: header.content_type });

const served: Gateway[] = [];
afterEach(async () => {
  await Promise.all(served.splice(0).map((gateway) => gateway[Symbol.asyncDispose]()));
});

async function serving(handler: Handler, more: Partial<ServeOptions> = {}): Promise<Gateway> {
  const gateway = await client.serve({ provider: "openai", handler, drainMs: 2000, ...more });
  served.push(gateway);
  return gateway;
}

/** Seals a request, sends it, and opens what is answered. */
async function roundTrip(timeout?: string): Promise<{ text: string; contentType: string }> {
  const sealed = caller.seal();
  using sent = caller.send(sealed.bytes, timeout);
  return caller.open(sealed, await sent.answered);
}

/** A handler whose calls the test completes. */
function held() {
  const calls: { call: OpenedCall; answer: (body: string) => void; fail: (error: Error) => void }[] = [];
  const handler: Handler = (call) =>
    new Promise<HandlerAnswer>((resolve, reject) => {
      calls.push({ call, answer: (body) => resolve({ body: Buffer.from(body) }), fail: reject });
    });
  return { calls, handler };
}

function problemIn({ text, contentType }: { text: string; contentType: string }): Problem {
  expect(contentType).toBe(PROBLEM_MEDIA_TYPE);
  return JSON.parse(text) as Problem;
}

describe("`accepted`", () => {
  test("is sent once, after 250 ms, for a request at work", async () => {
    const { calls, handler } = held();
    await using _gateway = await serving(handler);
    const sealed = caller.seal();
    using sent = caller.send(sealed.bytes);
    await eventually(() => sent.replies.length === 1);
    expect(sent.replies[0]).toMatchObject({ status: "accepted" });
    expect(sent.replies[0]?.afterMs).toBeGreaterThanOrEqual(249);
    expect(sent.replies[0]?.data).toHaveLength(0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    calls[0]?.answer("done");
    expect(caller.open(sealed, await sent.answered).text).toBe("done");
    expect(sent.replies.map(({ status }) => status)).toEqual(["accepted", "sealed"]);
  });

  test.each<[string, () => Uint8Array]>([
    ["a forgery", () => flipped(caller.seal().bytes)],
    ["garbage", () => randomBytes(700)],
    ["nothing at all", () => new Uint8Array(0)],
  ])("is sent for %s, too, then noise at the noise floor, and nothing else", async (_case, make) => {
    await using _gateway = await serving(echo);
    using sent = caller.send(make());
    const noise = await sent.answered;
    expect(noise.status).toBe("refused");
    expect(noise.data).toHaveLength(512);
    expect(noise.afterMs).toBeGreaterThanOrEqual(FLOOR_MS - 1);
    expect(sent.replies.map(({ status }) => status)).toEqual(["accepted", "refused"]);
  });

  test("is not sent if the answer is quicker", async () => {
    await using _gateway = await serving(echo);
    const sealed = caller.seal();
    using sent = caller.send(sealed.bytes);
    await sent.answered;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(sent.replies.map(({ status }) => status)).toEqual(["sealed"]);
  });
});

describe("a full gateway", () => {
  test("sends `busy` before it opens: another gateway can still serve the same envelope", async () => {
    const { calls, handler } = held();
    const full = await serving(handler, { concurrency: 1 });
    using first = caller.send(caller.seal().bytes);
    await eventually(() => calls.length === 1);
    const admits = deployment.guard.admits;
    const sealed = caller.seal();
    using turnedAway = caller.send(sealed.bytes);
    expect(await turnedAway.answered).toMatchObject({ status: "busy" });
    expect((await turnedAway.answered).data).toHaveLength(0);
    expect(deployment.guard.admits).toBe(admits);
    calls[0]?.answer("done");
    await first.answered;
    await full[Symbol.asyncDispose]();
    await using _other = await serving(echo);
    using again = caller.send(sealed.bytes);
    expect(await again.answered).toMatchObject({ status: "sealed" });
  });

  test("counts a handler until it returns, even after its deadline", async () => {
    const { calls, handler } = held();
    await using gateway = await serving(handler, { concurrency: 1 });
    using late = caller.send(caller.seal().bytes, "100");
    await eventually(() => calls[0]?.call.signal.aborted === true);
    using turnedAway = caller.send(caller.seal().bytes);
    expect(await turnedAway.answered).toMatchObject({ status: "busy" });
    calls[0]?.answer("too late");
    await eventually(() => gateway.inFlight === 0);
    expect(late.replies.filter(({ status }) => status !== "accepted")).toEqual([]);
    using next = caller.send(caller.seal().bytes);
    await eventually(() => calls.length === 2);
    calls[1]?.answer("in time");
    expect(await next.answered).toMatchObject({ status: "sealed" });
  });

  test("is not caused by forgeries that wait for the noise floor, however many there are", async () => {
    await using gateway = await serving(echo, { concurrency: 1 });
    const forged: SentRequest[] = [];
    for (let n = 0; n < 450; n += 1) forged.push(caller.send(Uint8Array.of(n)));
    for (let n = 0; n < 10; n += 1) {
      using sent = caller.send(caller.seal().bytes);
      expect((await sent.answered).status).not.toBe("busy");
    }
    expect(gateway.inFlight).toBe(0);
    for (const sent of forged) {
      const { status, afterMs } = await sent.answered;
      expect([status, afterMs >= FLOOR_MS - 1]).toEqual(["refused", true]);
      expect(sent.replies.map((it) => it.status)).toEqual(["accepted", "refused"]);
      sent[Symbol.dispose]();
    }
  });
});

describe("a deadline", () => {
  test.each(["0", "00"])("of %s ms starts no handler and has no answer", async (timeout) => {
    const { calls, handler } = held();
    await using gateway = await serving(handler);
    const { admits } = deployment.guard;
    using sent = caller.send(caller.seal().bytes, timeout);
    await eventually(() => deployment.guard.admits > admits);
    await eventually(() => gateway.inFlight === 0);
    await deployment.bus.flush();
    expect(calls).toHaveLength(0);
    expect(sent.replies).toEqual([]);
  });

  test.each([
    undefined,
    "",
    "-1",
    "1.5",
    "1e3",
    "0x10",
    "ten",
    "9999999999",
    "120001",
    "999999999",
    "１００",
  ])("of %j is the maximum", async (timeout) => {
    let remainingMs = 0;
    await using _gateway = await serving((call) => {
      remainingMs = call.remainingMs;
      return echo(call);
    });
    await roundTrip(timeout);
    expect(remainingMs).toBeGreaterThan(119_000);
    expect(remainingMs).toBeLessThanOrEqual(120_000);
  });

  test("is the envelope's expiry plus the clock skew, if that is sooner", async () => {
    let remainingMs = 0;
    await using slack = await deployment.gateway({
      variables: { ...variables, SCBE_MAX_CLOCK_SKEW_SECONDS: "1" },
    });
    await slack.serve({
      provider: "openai",
      handler: (call) => {
        remainingMs = call.remainingMs;
        return echo(call);
      },
    });
    const sealed = caller.seal({ ttlSeconds: 1 });
    using sent = caller.send(sealed.bytes);
    expect(await sent.answered).toMatchObject({ status: "sealed" });
    expect(remainingMs).toBeGreaterThan(0);
    expect(remainingMs).toBeLessThanOrEqual(2000);
  });

  test("aborts the signal, and a later answer of the handler is not sent", async () => {
    const { calls, handler } = held();
    await using gateway = await serving(handler);
    using answering = caller.send(caller.seal().bytes, "150");
    using failing = caller.send(caller.seal().bytes, "150");
    await eventually(() => calls.length === 2 && calls.every(({ call }) => call.signal.aborted));
    expect(gateway.inFlight).toBe(2);
    calls[0]?.answer("late");
    calls[1]?.fail(new ScbeError("BUSY", "late"));
    await eventually(() => gateway.inFlight === 0);
    await deployment.bus.flush();
    expect([...answering.replies, ...failing.replies]).toEqual([]);
  });
});

describe("a cancellation", () => {
  test("during the handler aborts the signal, and no answer is sent", async () => {
    const { calls, handler } = held();
    await using gateway = await serving(handler);
    const sealed = caller.seal();
    using sent = caller.send(sealed.bytes);
    await eventually(() => calls.length === 1);
    const { signal } = calls[0]?.call ?? {};
    await caller.cancel(sealed.hash);
    await eventually(() => signal?.aborted === true);
    calls[0]?.answer("unwanted");
    await eventually(() => gateway.inFlight === 0);
    await deployment.bus.flush();
    expect(sent.replies).toEqual([]);
  });

  test("before its request prevents the handler", async () => {
    const { calls, handler } = held();
    await using gateway = await serving(handler);
    const sealed = caller.seal();
    await caller.cancel(sealed.hash);
    const { admits } = deployment.guard;
    using sent = caller.send(sealed.bytes);
    await eventually(() => deployment.guard.admits > admits);
    await eventually(() => gateway.inFlight === 0);
    expect(calls).toHaveLength(0);
    expect(sent.replies).toEqual([]);
  });

  test.each<[string, () => Uint8Array]>([
    ["of another request", () => randomBytes(32)],
    ["that is malformed", () => Buffer.from("all of them")],
    ["that is empty", () => new Uint8Array(0)],
  ])("%s stops nothing", async (_case, make) => {
    const { calls, handler } = held();
    await using _gateway = await serving(handler);
    const sealed = caller.seal();
    using sent = caller.send(sealed.bytes);
    await eventually(() => calls.length === 1);
    await caller.cancel(make());
    calls[0]?.answer("done");
    expect(caller.open(sealed, await sent.answered).text).toBe("done");
  });
});

describe("a handler that fails", () => {
  const secret = "the password is swordfish";
  const cases: [string, Handler, string][] = [
    ["rejects", () => Promise.reject(new Error(secret)), "HANDLER_FAILED"],
    [
      "throws at once",
      () => {
        throw new Error(secret);
      },
      "HANDLER_FAILED",
    ],
    ["rejects with nothing", () => Promise.reject(undefined), "HANDLER_FAILED"],
    ["rejects with INTERNAL", () => Promise.reject(new ScbeError("INTERNAL", secret)), "HANDLER_FAILED"],
    ["returns nothing", () => undefined as unknown as HandlerAnswer, "HANDLER_FAILED"],
    ["returns a string", () => secret as unknown as HandlerAnswer, "HANDLER_FAILED"],
    ["returns a string as body", () => ({ body: secret }) as unknown as HandlerAnswer, "HANDLER_FAILED"],
    [
      "returns an illegal content type",
      () => ({ body: randomBytes(1), contentType: 'a"b' }),
      "HANDLER_FAILED",
    ],
    [
      "returns a content type that is too long",
      () => ({ body: randomBytes(1), contentType: "a".repeat(129) }),
      "HANDLER_FAILED",
    ],
    ["returns an illegal schema hash", () => ({ body: randomBytes(1), schemaHash: "x" }), "HANDLER_FAILED"],
    [
      "returns a problem as its answer",
      () => ({ body: Buffer.from('{"code":"NO_KEYS","title":"x"}'), contentType: PROBLEM_MEDIA_TYPE }),
      "HANDLER_FAILED",
    ],
    [
      "rejects with a code",
      () => Promise.reject(new ScbeError("BUSY", "at the limit", { cause: secret })),
      "BUSY",
    ],
    ["returns more than the bus takes", () => ({ body: Buffer.alloc(8 * 2 ** 20) }), "TOO_LARGE"],
    ["returns far more than the bus takes", () => ({ body: Buffer.alloc(64 * 2 ** 20) }), "TOO_LARGE"],
  ];

  test.each(cases)(
    "and %s is reported to the caller, sealed, without its secrets",
    async (_case, handler, code) => {
      await using _gateway = await serving(handler);
      const problem = problemIn(await roundTrip());
      expect(problem.code).toBe(code);
      expect(problem.title).not.toContain(secret);
    },
  );

  test("has its cause in the gateway's log", async () => {
    const before = logs.lines.length;
    await using _gateway = await serving(() => Promise.reject(new Error("for the operator")));
    await roundTrip();
    const lines = logs.lines.slice(before).map((line) => JSON.stringify(line));
    expect(lines.filter((line) => line.includes("for the operator"))).toHaveLength(1);
  });

  test("has only its body, content type and schema hash sealed", async () => {
    const answer = { body: Buffer.from("x"), stream: { seq: 0, final: 1 }, ttlSeconds: 9999 };
    await using _gateway = await serving(() => answer as unknown as HandlerAnswer);
    expect((await roundTrip()).text).toBe("x");
  });
});

describe("what is refused", () => {
  test.each<[string, () => SealedRequest]>([
    ["an intent that is not served", () => caller.seal({ intent: "tools" })],
    ["a model that is not served", () => caller.seal({ model: "gpt-4" })],
  ])("is %s, with noise", async (_case, make) => {
    await using _gateway = await serving(echo, { models: ["gpt-5"] });
    using sent = caller.send(make().bytes);
    expect(await sent.answered).toMatchObject({ status: "refused" });
  });

  test("is an envelope that was opened before, or that the replay guard does not report as fresh", async () => {
    await using _gateway = await serving(echo);
    const sealed = caller.seal();
    using first = caller.send(sealed.bytes);
    expect(await first.answered).toMatchObject({ status: "sealed" });
    using second = caller.send(sealed.bytes);
    expect(await second.answered).toMatchObject({ status: "refused" });
    for (const verdict of ["reuse", "refused"] as const) {
      deployment.guard.verdict = verdict;
      using sent = caller.send(caller.seal().bytes);
      expect(await sent.answered).toMatchObject({ status: "refused" });
    }
  });
});

describe("a gateway that stops", () => {
  test("answers all open requests, and accepts no new ones", async () => {
    const { calls, handler } = held();
    const gateway = await serving(handler);
    const requests = Array.from({ length: 20 }, () => caller.seal());
    const sent = requests.map(({ bytes }) => caller.send(bytes));
    await eventually(() => calls.length === 20);
    const disposed = gateway[Symbol.asyncDispose]();
    await eventually(() => !gateway.joined);
    await expect(caller.send(caller.seal().bytes).answered).rejects.toMatchObject({ code: "NO_RESPONDERS" });
    for (const { answer } of calls) answer("done");
    const answers = await Promise.all(sent.map(({ answered }) => answered));
    expect(answers.map((reply, index) => caller.open(requests[index] as SealedRequest, reply).text)).toEqual(
      requests.map(() => "done"),
    );
    await disposed;
    expect(gateway.inFlight).toBe(0);
  });

  test("waits at most `drainMs` for a handler that ignores its signal, and answers its caller", async () => {
    const { calls, handler } = held();
    const gateway = await serving(handler, { drainMs: 100 });
    const sealed = caller.seal();
    using sent = caller.send(sealed.bytes);
    await eventually(() => calls.length === 1);
    const { signal } = calls[0]?.call ?? {};
    const started = performance.now();
    await gateway[Symbol.asyncDispose]();
    expect(performance.now() - started).toBeLessThan(5000);
    expect(signal?.aborted).toBe(true);
    expect(problemIn(caller.open(sealed, await sent.answered)).code).toBe("NOT_READY");
    calls[0]?.answer("long after");
    await deployment.bus.flush();
    expect(sent.replies.filter(({ status }: Reply) => status === "sealed")).toHaveLength(1);
  });

  test("can be disposed twice: both calls wait for the same end", async () => {
    const { calls, handler } = held();
    const gateway = await serving(handler);
    using sent = caller.send(caller.seal().bytes);
    await eventually(() => calls.length === 1);
    const both = Promise.all([gateway[Symbol.asyncDispose](), gateway[Symbol.asyncDispose]()]);
    calls[0]?.answer("done");
    await sent.answered;
    await both;
    expect(gateway.inFlight).toBe(0);
  });

  test("does not join its group again when the process becomes ready meanwhile", async () => {
    const { calls, handler } = held();
    const own = await deployment.gateway();
    const gateway = await own.serve({ provider: "openai", handler });
    using sent = caller.send(caller.seal().bytes);
    await eventually(() => calls.length === 1);
    const disposed = own[Symbol.asyncDispose]();
    await eventually(() => !gateway.joined);
    own.readiness.set("test", { ok: false, reason: "away" });
    own.readiness.set("test", { ok: true });
    await new Promise((resolve) => setTimeout(resolve, 150)); // long enough to join
    expect(gateway.joined).toBe(false);
    await expect(caller.send(caller.seal().bytes).answered).rejects.toMatchObject({ code: "NO_RESPONDERS" });
    calls[0]?.answer("done");
    expect(await sent.answered).toMatchObject({ status: "sealed" });
    await disposed;
  });
});

test("a gateway leaves its group while the process is not ready, and joins again afterwards", async () => {
  await using own = await deployment.gateway();
  own.readiness.set("test", { ok: false, reason: "away" });
  const gateway = await own.serve({ provider: "openai", handler: echo });
  expect(gateway.joined).toBe(false);
  own.readiness.set("test", { ok: true });
  await eventually(() => gateway.joined);
  await roundTrip();
  own.readiness.set("test", { ok: false, reason: "away" });
  await eventually(() => !gateway.joined);
  await expect(caller.send(caller.seal().bytes).answered).rejects.toMatchObject({ code: "NO_RESPONDERS" });
});

test.each<[string, Partial<ServeOptions>]>([
  ["another provider", { provider: "xai" }],
  ["an intent that is not the client's", { intents: ["tools"] }],
  ["no intent", { intents: [] }],
  ["no handler", { handler: undefined as unknown as Handler }],
  ["a concurrency of 0", { concurrency: 0 }],
  ["a concurrency of NaN", { concurrency: Number.NaN }],
  ["an infinite drain time", { drainMs: Number.POSITIVE_INFINITY }],
  ["a negative drain time", { drainMs: -1 }],
])("%s cannot be served", async (_case, change) => {
  await expect(serving(echo, change)).rejects.toMatchObject({ code: "BAD_REQUEST" });
});

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1);
  return copy;
}
