import { randomBytes } from "node:crypto";
import { encodeProblem, PROBLEM_MEDIA_TYPE, ScbeError, STATUS, serviceErrorHeaders } from "@scbe/contracts";
import { type Deployment, eventually, startDeployment } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Arrived, ScriptedGateway } from "../../test/scripted-gateway.ts";
import type { Client, RequestOptions } from "../index.ts";

const ACCEPT_TIMEOUT_MS = 250;
const variables = {
  SCBE_ADMIT_TIMEOUT_MS: "50",
  SCBE_NOISE_FLOOR_MS: "100",
  SCBE_ACCEPT_TIMEOUT_MS: String(ACCEPT_TIMEOUT_MS),
  SCBE_REQUEST_TIMEOUT_MAX_MS: "20000",
};

let deployment: Deployment;
let gateway: ScriptedGateway;
let client: Client;

beforeAll(async () => {
  deployment = await startDeployment(variables);
  const bus = await deployment.connect("gateway-openai");
  gateway = new ScriptedGateway(bus, deployment.keyring);
  await bus.flush();
  client = await deployment.orchestrator();
});
afterAll(async () => {
  await client?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  gateway.reset();
  deployment.guard.tells = true;
});

const body = Buffer.from("Grüß Gott");
const options = { provider: "openai", model: "gpt-5", intent: "chat", body, timeoutMs: 5000 };

function request(change: Partial<RequestOptions> = {}) {
  return client.request({ ...options, ...change });
}

/** Concurrent requests: the timers of one would not stand out among the others of the process. */
const MANY = 40;

/** The code and text of the error that a request fails with. */
async function failure(change: Partial<RequestOptions> = {}): Promise<{ code?: string; message?: string }> {
  return request(change).then(
    () => ({}),
    ({ code, message }: ScbeError) => ({ code, message }),
  );
}

function isCancelled({ hash }: Arrived): boolean {
  return gateway.cancelled.some((it) => it.equals(hash));
}

/** The envelopes share the request id, and no nonce or hash. */
function expectFresh(envelopes: readonly Arrived[], sameEpoch = true): void {
  const values = (member: keyof Arrived["header"]) => new Set(envelopes.map(({ header }) => header[member]));
  expect(values("request_id").size).toBe(1);
  expect(values("nonce").size).toBe(envelopes.length);
  expect(values("replay_nonce").size).toBe(envelopes.length);
  expect(values("epoch").size).toBe(sameEpoch ? 1 : envelopes.length);
  expect(new Set(envelopes.map(({ hash }) => Buffer.from(hash).toString("hex"))).size).toBe(envelopes.length);
}

describe("an answer", () => {
  test("is the first response that opens; later ones are ignored", async () => {
    gateway.reset((arrived) => {
      arrived.answer("first");
      arrived.answer("second");
    });
    const answer = await request();
    expect(Buffer.from(answer.body).toString()).toBe("first");
    expect(answer).toMatchObject({ envelopes: 1, requestId: gateway.arrived[0]?.header.request_id });
    expect(answer.roundTripMs).toBeGreaterThan(answer.sealMs);
  });

  test.each<[string, (arrived: Arrived) => Uint8Array]>([
    ["that is not an envelope", () => Buffer.from("garbage")],
    ["that is empty", () => new Uint8Array(0)],
    ["with a flipped bit to another envelope", ({ seal }) => flipped(seal("x", { hash: randomBytes(32) }))],
    ["that is the request itself", ({ bytes }) => bytes],
    ["to another envelope", ({ seal }) => seal("x", { hash: randomBytes(32) })],
    ["with another request id", ({ seal }) => seal("x", { request_id: crypto.randomUUID() })],
    ["of another model", ({ seal }) => seal("x", { model: "gpt-4" })],
  ])("%s is ignored, and the correct one is still accepted", async (_case, make) => {
    gateway.reset((arrived) => {
      arrived.reply(STATUS.sealed, make(arrived));
      arrived.answer("true");
    });
    const answer = await request();
    expect(Buffer.from(answer.body).toString()).toBe("true");
    expect(gateway.arrived).toHaveLength(1);
  });

  test("of an unknown status, or of none, is ignored", async () => {
    gateway.reset((arrived) => {
      arrived.reply("opened", Buffer.from("x"));
      arrived.send(Buffer.from("x"), {});
      arrived.answer("true");
    });
    expect(await request()).toMatchObject({ envelopes: 1 });
  });

  test("is a TIMEOUT at the deadline if only garbage came, and the gateway gets a cancellation", async () => {
    gateway.reset((arrived) => {
      arrived.reply(STATUS.accepted);
      arrived.reply(STATUS.sealed, randomBytes(600));
    });
    const started = performance.now();
    expect(await failure({ timeoutMs: 400 })).toMatchObject({ code: "TIMEOUT" });
    expect(performance.now() - started).toBeGreaterThan(395);
    expect(performance.now() - started).toBeLessThan(3000);
    expect(gateway.arrived).toHaveLength(1);
    await eventually(() => gateway.arrived.every(isCancelled));
  });

  test("is awaited beyond the accept timeout after `accepted`, under one envelope", async () => {
    gateway.reset((arrived) => {
      arrived.reply(STATUS.accepted);
      setTimeout(() => arrived.answer("late"), 2 * ACCEPT_TIMEOUT_MS);
    });
    expect(await request()).toMatchObject({ envelopes: 1 });
    expect(gateway.cancelled).toEqual([]);
  });

  test("that is a sealed problem is thrown with its code and text", async () => {
    const problem = Buffer.from(encodeProblem(new ScbeError("FORBIDDEN", "not for you"))).toString();
    gateway.reset(({ reply, seal }) =>
      reply(STATUS.sealed, seal(problem, { contentType: PROBLEM_MEDIA_TYPE })),
    );
    expect(await failure()).toEqual({ code: "FORBIDDEN", message: "not for you" });
  });

  test.each(["{", "{}", '{"code":"NEWER","title":"x"}'])(
    "whose problem is %s is HANDLER_FAILED",
    async (text) => {
      gateway.reset(({ reply, seal }) =>
        reply(STATUS.sealed, seal(text, { contentType: PROBLEM_MEDIA_TYPE })),
      );
      expect(await failure()).toMatchObject({ code: "HANDLER_FAILED" });
    },
  );
});

describe("an error outside a seal", () => {
  test.each(["HANDLER_FAILED", "FORBIDDEN", "NO_KEYS", "TIMEOUT", "BAD_REQUEST"] as const)(
    "with code %s is NOT_READY, and its text is ignored",
    async (code) => {
      gateway.reset(({ send }) =>
        send(new Uint8Array(0), serviceErrorHeaders(new ScbeError(code, "pay to this account"))),
      );
      const error = await failure();
      expect(error).toMatchObject({ code: "NOT_READY" });
      expect(error.message).not.toContain("account");
    },
  );

  test("is INTERNAL if its code is INTERNAL or unknown", async () => {
    gateway.reset(({ send }) => send(new Uint8Array(0), { "Nats-Service-Error": "oops" }));
    expect(await failure()).toMatchObject({ code: "INTERNAL" });
  });

  test("with code BUSY is handled like `busy`", async () => {
    const busy = serviceErrorHeaders(new ScbeError("BUSY", "full"));
    gateway.reset((arrived, nth) =>
      nth === 1 ? arrived.send(new Uint8Array(0), busy) : arrived.answer("ok"),
    );
    expect(await request()).toMatchObject({ envelopes: 2 });
  });
});

describe("a fresh envelope", () => {
  test("follows `busy`, after a pause, with the same request id and new nonces", async () => {
    gateway.reset((arrived, nth) => (nth < 4 ? arrived.reply(STATUS.busy) : arrived.answer("ok")));
    expect(await request()).toMatchObject({ envelopes: 4 });
    expectFresh(gateway.arrived);
    const [first, second] = gateway.arrived;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(4);
  });

  test("follows silence: the first envelope is cancelled, and its late answer is ignored", async () => {
    gateway.reset((arrived, nth) => {
      if (nth === 1) return;
      gateway.arrived[0]?.answer("of the first");
      setTimeout(() => arrived.answer("of the second"), 20);
    });
    const answer = await request();
    expect(Buffer.from(answer.body).toString()).toBe("of the second");
    expect(answer.envelopes).toBe(2);
    expectFresh(gateway.arrived);
    expect(gateway.arrived.map(isCancelled)).toEqual([true, false]);
  });

  test("carries the remaining time", async () => {
    gateway.reset((arrived, nth) => (nth === 1 ? undefined : arrived.answer("ok")));
    await request({ timeoutMs: 1000 });
    const [first, second] = gateway.arrived.map(({ timeoutMs }) => Number(timeoutMs));
    expect(first).toBeGreaterThan(500);
    expect(first).toBeLessThanOrEqual(1000);
    expect(second).toBeGreaterThan(0);
    expect(second).toBeLessThanOrEqual(1000 - ACCEPT_TIMEOUT_MS + 2);
  });

  test("follows noise if the epoch has changed, and is sealed for the new one", async () => {
    gateway.reset((arrived, nth) => {
      if (nth > 1) return arrived.answer("ok");
      deployment.guard.renew();
      arrived.reply(STATUS.refused);
    });
    expect(await request()).toMatchObject({ envelopes: 2 });
    expectFresh(gateway.arrived, false);
    expect(gateway.arrived[1]?.header.epoch).toBe(deployment.guard.epoch.toString("base64url"));
  });

  test("does not follow noise while the epoch is the same", async () => {
    gateway.reset(({ reply }) => reply(STATUS.refused));
    const before = deployment.guard.epochAsked;
    expect(await failure()).toMatchObject({ code: "REFUSED" });
    expect(gateway.arrived).toHaveLength(1);
    expect(deployment.guard.epochAsked).toBeGreaterThan(before);
  });

  test("follows noise once, however often the epoch changes", async () => {
    gateway.reset(({ reply }) => {
      deployment.guard.renew();
      reply(STATUS.refused);
    });
    expect(await failure()).toMatchObject({ code: "REFUSED" });
    expect(gateway.arrived).toHaveLength(2);
  });

  test("does not follow `busy` after `accepted`", async () => {
    gateway.reset((arrived) => {
      arrived.reply(STATUS.accepted);
      arrived.reply(STATUS.busy);
      setTimeout(() => arrived.answer("ok"), 50);
    });
    expect(await request()).toMatchObject({ envelopes: 1 });
    expect(gateway.arrived).toHaveLength(1);
  });
});

describe("a request that no gateway serves", () => {
  test("is BUSY if every gateway was full until the deadline, so none opened it", async () => {
    gateway.reset(({ reply }) => reply(STATUS.busy));
    expect(await failure({ timeoutMs: 300 })).toMatchObject({ code: "BUSY" });
    expectFresh(gateway.arrived);
  });

  test("is TIMEOUT if one was silent, since that one can have opened it", async () => {
    gateway.reset(({ reply }, nth) => (nth === 1 ? undefined : reply(STATUS.busy)));
    expect(await failure({ timeoutMs: 500 })).toMatchObject({ code: "TIMEOUT" });
  });

  test("is TIMEOUT at the deadline if all are silent", async () => {
    gateway.reset(() => undefined);
    const started = performance.now();
    expect(await failure({ timeoutMs: 600 })).toMatchObject({ code: "TIMEOUT" });
    expect(performance.now() - started).toBeLessThan(5000);
    expect(gateway.arrived).toHaveLength(3);
    await eventually(() => gateway.arrived.every(isCancelled));
  });

  test("ends after 32 envelopes, even with time left", async () => {
    gateway.reset(() => undefined);
    const quick = { SCBE_ADMIT_TIMEOUT_MS: "10", SCBE_NOISE_FLOOR_MS: "20", SCBE_ACCEPT_TIMEOUT_MS: "30" };
    await using hasty = await deployment.orchestrator({ variables: { ...variables, ...quick } });
    await expect(hasty.request({ ...options, timeoutMs: 20_000 })).rejects.toMatchObject({ code: "TIMEOUT" });
    expect(gateway.arrived).toHaveLength(32);
    expectFresh(gateway.arrived);
  });

  test("has its request id in the error, whether random or the caller's", async () => {
    deployment.guard.tells = false;
    const requestId = "0b5f8f6e-6c1e-4a8f-9d53-2f1f3a1c7d10";
    const failed = (change: Partial<RequestOptions>): Promise<unknown> =>
      request({ intent: "none", ...change }).catch((error: unknown) => error);
    expect(await failed({ requestId })).toMatchObject({ code: "NO_KEYS", requestId });
    expect(await failed({})).toMatchObject({
      code: "NO_KEYS",
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test("is REFUSED within its deadline if the replay guards do not answer", async () => {
    deployment.guard.tells = false;
    gateway.reset(({ reply }) => reply(STATUS.refused));
    const started = performance.now();
    expect(await failure({ timeoutMs: 500 })).toMatchObject({ code: "REFUSED" });
    expect(performance.now() - started).toBeLessThan(3000);
  });
});

describe("aborting", () => {
  test("before sending sends nothing", async () => {
    expect(await failure({ signal: AbortSignal.abort() })).toMatchObject({ code: "ABORTED" });
    await deployment.bus.flush();
    expect(gateway.arrived).toHaveLength(0);
  });

  test.each<[string, (arrived: Arrived) => void]>([
    ["before any response", () => undefined],
    ["after `accepted`", ({ reply }) => reply(STATUS.accepted)],
  ])("%s cancels the request at the gateway at once", async (_case, script) => {
    const giveUp = new AbortController();
    gateway.reset((arrived) => {
      script(arrived);
      setTimeout(() => giveUp.abort(), 20);
    });
    const started = performance.now();
    expect(await failure({ signal: giveUp.signal })).toMatchObject({ code: "ABORTED" });
    expect(performance.now() - started).toBeLessThan(5000);
    await eventually(() => gateway.arrived.length === 1 && gateway.arrived.every(isCancelled));
  });

  test.each<[string, string]>([
    ["in the pause after `busy`", STATUS.busy],
    ["while the epoch is fetched", STATUS.refused],
  ])("%s takes effect at once, and no envelope follows", async (_case, status) => {
    const giveUp = new AbortController();
    deployment.guard.tells = false;
    gateway.reset((arrived, nth) => {
      arrived.reply(status);
      if (status === STATUS.refused || nth === 6) setTimeout(() => giveUp.abort(), 20);
    });
    const started = performance.now();
    expect(await failure({ signal: giveUp.signal })).toMatchObject({ code: "ABORTED" });
    expect(performance.now() - started).toBeLessThan(5000);
    const before = gateway.arrived.length;
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(gateway.arrived).toHaveLength(before);
  });

  test("leaves no listener on the caller's signal, however the request ends", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const added: unknown[] = [];
    const removed: unknown[] = [];
    signal.addEventListener = (_type: string, listener: unknown) => void added.push(listener);
    signal.removeEventListener = (_type: string, listener: unknown) => void removed.push(listener);
    await request({ signal });
    gateway.reset(({ reply }) => reply(STATUS.refused));
    await failure({ signal });
    gateway.reset(({ reply }) => reply(STATUS.busy));
    await failure({ signal, timeoutMs: 100 });
    await failure({ signal, model: "two words" });
    expect(added).toHaveLength(4);
    expect(removed).toEqual(added);
  });
});

test.each<[string, (arrived: Arrived, nth: number) => void, Partial<RequestOptions>?]>([
  ["answered", ({ answer }) => answer("ok")],
  [
    "answered after `accepted`",
    ({ reply, answer }) => {
      reply(STATUS.accepted);
      answer("ok");
    },
  ],
  ["refused", ({ reply }) => reply(STATUS.refused)],
  [
    "answered after `busy`",
    (arrived, nth) => (nth <= MANY ? arrived.reply(STATUS.busy) : arrived.answer("ok")),
  ],
  ["answered after silence", (arrived, nth) => (nth <= MANY ? undefined : arrived.answer("ok"))],
  ["aborted", ({ reply }) => reply(STATUS.accepted), { signal: AbortSignal.timeout(100) }],
  ["failed without a seal", ({ send }) => send(new Uint8Array(0), { "Nats-Service-Error": "oops" })],
  ["too large", () => undefined, { body: Buffer.alloc(8 * 2 ** 20) }],
])("requests that were %s leave no timer behind", async (_case, script, change) => {
  const timers = (): number => process.getActiveResourcesInfo().filter((it) => it === "Timeout").length;
  const before = timers();
  gateway.reset(script);
  await Promise.all(Array.from({ length: MANY }, () => failure({ timeoutMs: 15_000, ...change })));
  await eventually(() => timers() < before + MANY / 2, { timeoutMs: 2000 });
});

describe("what cannot be sent", () => {
  test.each<[string, Partial<RequestOptions>]>([
    ["a timeout of 0", { timeoutMs: 0 }],
    ["a negative timeout", { timeoutMs: -1 }],
    ["a timeout of NaN", { timeoutMs: Number.NaN }],
    ["an infinite timeout", { timeoutMs: Number.POSITIVE_INFINITY }],
    ["a timeout above the limit", { timeoutMs: 20_001 }],
    ["a string as body", { body: "text" as unknown as Uint8Array }],
    ["a body of 16-bit numbers", { body: new Uint16Array(4) as unknown as Uint8Array }],
    ["no body", { body: undefined as unknown as Uint8Array }],
    ["a content type with a quote", { contentType: '"' }],
    ["a malformed schema hash", { schemaHash: "md5:1" }],
    ["a malformed request id", { requestId: "1" }],
    ["a model with a space", { model: "a b" }],
  ])("%s is BAD_REQUEST, and nothing is sent", async (_case, change) => {
    expect(await failure(change)).toMatchObject({ code: "BAD_REQUEST" });
    await deployment.bus.flush();
    expect(gateway.arrived).toHaveLength(0);
  });

  test("a provider or intent without a key is NO_KEYS", async () => {
    expect(await failure({ provider: "xai" })).toMatchObject({ code: "NO_KEYS" });
    expect(await failure({ intent: "tools" })).toMatchObject({ code: "NO_KEYS" });
  });
});

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1);
  return copy;
}
