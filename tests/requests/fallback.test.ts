import { type BusHeaders, connectBus } from "@scbe/bus";
import type { Client, Handler } from "@scbe/client";
import { HEADERS, readServiceError, STATUS, subjectOf } from "@scbe/contracts";
import { isInside } from "@scbe/envelope/control";
import { createLogger } from "@scbe/service";
import { eventually } from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ControlApi } from "../kit/control-api.ts";
import { type System, startSystem } from "../kit/system.ts";

/** Traffic that the kill switch or flags take out of the sealed path, after an administrator chose that it travels unsealed. */

let system: System;
let api: ControlApi;
let orchestrator: Client;
let gateway: Client;
/** The calls that the gateway's handler saw. */
const seen: { id: string; isSealed: boolean }[] = [];
let handler: Handler;

beforeAll(async () => {
  system = await startSystem({ providers: ["openai"], controller: true, fallback: true });
  api = new ControlApi(system);
  gateway = await system.gateway("openai");
  orchestrator = await system.orchestrator();
  await api.chooseFallback("availability", "flags");
  await gateway.serve({
    provider: "openai",
    models: ["gpt-5"],
    drainMs: 0,
    handler: (call) => {
      seen.push({ id: call.header.request_id, isSealed: call.isSealed });
      return handler(call);
    },
  });
});
afterAll(async () => {
  await orchestrator?.[Symbol.asyncDispose]();
  await gateway?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  seen.length = 0;
  handler = ({ body, header }) => ({ body, contentType: header.content_type });
});
afterEach(async () => {
  await api.release();
  await api.flags({ providers: { openai: { traffic_percentage: 100 } } });
});

const REQUEST = {
  provider: "openai",
  model: "gpt-5",
  intent: "chat",
  body: Buffer.from("Grüß Gott"),
  contentType: "text/plain",
  timeoutMs: 5000,
};

describe("a kill for availability", () => {
  test("has requests travel unsealed to the same gateways, until it is released", async () => {
    expect(await orchestrator.request(REQUEST)).toMatchObject({ isSealed: true });
    await api.kill("availability");
    const answer = await orchestrator.request(REQUEST);
    expect(answer).toMatchObject({ isSealed: false, contentType: "text/plain" });
    expect(answer.header).toBeUndefined();
    expect(Buffer.from(answer.body).toString()).toBe("Grüß Gott");
    expect(await api.mode()).toBe("fallback");
    await api.release();
    expect(await orchestrator.request(REQUEST)).toMatchObject({ isSealed: true });
    expect(seen.map(({ isSealed }) => isSealed)).toEqual([true, false, true]);
  });

  test("has requests in flight sent again, unsealed, under the same request id", async () => {
    const started = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    handler = async ({ isSealed, signal, body }) => {
      if (!isSealed) return { body };
      signal.addEventListener("abort", () => ended.resolve());
      started.resolve();
      return new Promise(() => undefined);
    };
    const asking = orchestrator.request({ ...REQUEST, timeoutMs: 20_000 });
    await started.promise;
    await api.kill("availability");
    expect(await asking).toMatchObject({ isSealed: false, envelopes: 2 });
    await ended.promise;
    expect(seen.map(({ isSealed }) => isSealed)).toEqual([true, false]);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(1);
  });

  test("lets a client connect, and a gateway serve, without keys and without an epoch", async () => {
    await api.kill("availability");
    await system.keyring.kill();
    await Promise.all(system.guards.map((guard) => guard.kill()));
    try {
      await using lonely = await system.gateway("openai");
      await using _served = await lonely.serve({ provider: "openai", handler: ({ body }) => ({ body }) });
      await using late = await system.orchestrator();
      expect(await late.request(REQUEST)).toMatchObject({ isSealed: false });
    } finally {
      await system.keyring.restart();
      await Promise.all(system.guards.map((guard) => guard.restart()));
    }
    await api.release();
    await eventually(async () => (await orchestrator.request(REQUEST)).isSealed, { timeoutMs: 20_000 });
  });

  test("reports the failure of a handler, and an answer that does not fit the bus", async () => {
    await api.kill("availability");
    handler = () => {
      throw new Error("secret");
    };
    await expect(orchestrator.request(REQUEST)).rejects.toMatchObject({ code: "HANDLER_FAILED" });
    handler = () => ({ body: Buffer.alloc(8 * 1024 * 1024 + 1) });
    await expect(orchestrator.request(REQUEST)).rejects.toMatchObject({ code: "TOO_LARGE" });
    handler = () => ({ body: Buffer.alloc(0), contentType: "a\r\nb" });
    await expect(orchestrator.request(REQUEST)).rejects.toMatchObject({ code: "HANDLER_FAILED" });
    await expect(orchestrator.request({ ...REQUEST, model: "gpt-4" })).rejects.toMatchObject({
      name: "ScbeError",
    });
  });

  test("lets a caller abort, and its gateway's handler is aborted", async () => {
    await api.kill("availability");
    const started = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    handler = ({ signal }) => {
      signal.addEventListener("abort", () => ended.resolve());
      started.resolve();
      return new Promise(() => undefined);
    };
    const giveUp = new AbortController();
    const asking = orchestrator.request({ ...REQUEST, signal: giveUp.signal });
    asking.catch(() => undefined);
    await started.promise;
    giveUp.abort();
    await expect(asking).rejects.toMatchObject({ code: "ABORTED" });
    await ended.promise;
  });
});

describe("a kill for integrity", () => {
  test("has every request refused, including those that travelled unsealed", async () => {
    await api.kill("availability");
    const started = Promise.withResolvers<void>();
    handler = () => {
      started.resolve();
      return new Promise(() => undefined);
    };
    const asking = orchestrator.request({ ...REQUEST, timeoutMs: 20_000 });
    asking.catch(() => undefined);
    await started.promise;
    await api.kill("integrity");
    await expect(asking).rejects.toMatchObject({ code: "SWITCHED_OFF" });
    await expect(orchestrator.request(REQUEST)).rejects.toMatchObject({ code: "SWITCHED_OFF" });
    expect(seen).toHaveLength(1);
    expect(await api.mode()).toBe("disabled");
  });
});

describe("a share of the traffic", () => {
  test("is sealed and the rest is not: the request id decides, alike on both sides, and monotonically", async () => {
    const ids = Array.from({ length: 60 }, () => crypto.randomUUID());
    for (const share of [25, 50]) {
      await api.flags({ providers: { openai: { traffic_percentage: share } } });
      seen.length = 0;
      await Promise.all(ids.map((requestId) => orchestrator.request({ ...REQUEST, requestId })));
      const sealed = new Set(seen.filter(({ isSealed }) => isSealed).map(({ id }) => id));
      expect(seen).toHaveLength(ids.length);
      expect(sealed).toEqual(new Set(ids.filter((id) => isInside("openai", id, share))));
    }
  });

  test("of 0 %, or flags that are off, have all requests travel unsealed", async () => {
    for (const flag of [{ traffic_percentage: 0 }, { enabled: false }]) {
      await api.flags({ providers: { openai: flag } });
      expect(await orchestrator.request(REQUEST)).toMatchObject({ isSealed: false });
    }
    await api.flags({ providers: { openai: { enabled: true, traffic_percentage: 100 } } });
    await api.flags({ enabled: false });
    expect(await orchestrator.request(REQUEST)).toMatchObject({ isSealed: false });
    await api.flags({ enabled: true });
    expect(await orchestrator.request(REQUEST)).toMatchObject({ isSealed: true });
  });
});

describe("the seal cannot be stripped", () => {
  const plain = (requestId: string) =>
    exchangeRaw(system, {
      subject: subjectOf("fallback", { user: "orchestrator", provider: "openai" }),
      data: Buffer.from("Hello"),
      headers: {
        [HEADERS.model]: "gpt-5",
        [HEADERS.intent]: "chat",
        [HEADERS.requestId]: requestId,
        [HEADERS.inReplyTo]: Buffer.alloc(32).toString("base64url"),
      },
      timeoutMs: 5000,
    });

  test("a gateway refuses an unsealed request that its own control document has sealed, or refused", async () => {
    expect(await plain(crypto.randomUUID())).toMatchObject({ error: "SWITCHED_OFF" });
    await api.kill("integrity");
    expect(await plain(crypto.randomUUID())).toMatchObject({ error: "SWITCHED_OFF" });
    await api.release();
    await api.flags({ providers: { openai: { traffic_percentage: 50 } } });
    const inside = idWhere((candidate) => isInside("openai", candidate, 50));
    const outside = idWhere((candidate) => !isInside("openai", candidate, 50));
    expect(await plain(inside)).toMatchObject({ error: "SWITCHED_OFF" });
    expect(seen).toEqual([]);
    expect(await plain(outside)).toMatchObject({ status: STATUS.unsealed, text: "Hello" });
  });

  test("a gateway says what is wrong with a malformed unsealed request", async () => {
    await api.kill("availability");
    expect(await plain("no uuid")).toMatchObject({ error: "BAD_REQUEST" });
    expect(seen).toEqual([]);
  });
});

function idWhere(holds: (id: string) => boolean): string {
  for (;;) {
    const id = crypto.randomUUID();
    if (holds(id)) return id;
  }
}

interface RawRequest {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: BusHeaders;
  readonly timeoutMs: number;
}

interface RawAnswer {
  readonly status: string | undefined;
  /** The code of a service error. */
  readonly error: string | undefined;
  readonly text: string;
}

/** Sends one request with an orchestrator's rights, without the client. @returns the first reply */
async function exchangeRaw(system: System, request: RawRequest): Promise<RawAnswer> {
  const { subject, data, headers, timeoutMs } = request;
  const log = createLogger({ name: "raw", level: "silent" });
  await using bus = await connectBus({ ...system.transport("orchestrator"), name: "orchestrator", log });
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  using _exchange = bus.exchange(subject, data, {
    headers,
    onAnswer: (message) => {
      const error = readServiceError((name) => message.header(name));
      const text = Buffer.from(message.data).toString();
      resolve({ status: message.header(HEADERS.status), error: error?.code, text });
    },
    onFailure: reject,
  });
  const timer = setTimeout(() => reject(new Error("no answer")), timeoutMs);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
