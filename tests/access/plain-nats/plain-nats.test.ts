import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Client, Handler } from "@scbe/client";
import { HEADERS, ScbeError, SERVICE_ERROR_HEADERS, STATUS } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import type { Msg } from "nats";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type System, startSystem } from "../../kit/system.ts";
import { ask } from "./ask.ts";
import { sendRequest } from "./caller.ts";
import { connectUser, type PlainConnection, type PlainUser } from "./connect-user.ts";
import { type PlainCall, servePlain } from "./gateway.ts";

let system: System;
let caller: PlainConnection;

beforeAll(async () => {
  system = await startSystem({ intents: ["chat", "tools"] });
  caller = await plainUser("orchestrator", "orchestrator");
});
afterAll(async () => {
  await caller?.nats.close();
  await system?.[Symbol.asyncDispose]();
});

function plainUser(name: string, role: PlainUser["role"]): Promise<PlainConnection> {
  const seedFile = system.nats.credentials.seedFile(name);
  return connectUser({ name, role, servers: [system.nats.url], seedFile });
}

async function plainGateway(
  handler: (call: PlainCall) => Promise<Uint8Array> | Uint8Array,
  concurrency?: number,
): Promise<AsyncDisposable> {
  const connection = await plainUser("gateway-openai", "gateway");
  return servePlain(connection, {
    provider: "openai",
    intents: ["chat"],
    handler,
    ...(concurrency !== undefined && { concurrency }),
  });
}

async function gateway(handler: Handler, intents?: readonly string[]): Promise<AsyncDisposable> {
  const client = await system.gateway("openai");
  await client.serve({ provider: "openai", handler, ...(intents && { intents }) });
  return client;
}

const echoPlain = ({ body }: PlainCall): Uint8Array => body;
const echo: Handler = ({ body, header }) => ({ body, contentType: header.content_type });
const asked = { provider: "openai", model: "gpt-5", intent: "chat", timeoutMs: 10_000 };
const hello = Buffer.from("Grüß Gott, Welt");

const bodies: [string, Buffer][] = [
  ["of some text", hello],
  ["that is empty", Buffer.alloc(0)],
  ["of 256 KiB", Buffer.alloc(256 * 1024, 0xa5)],
];

describe("a request of a plain caller", () => {
  test.each(bodies)("with a body %s is answered by a plain gateway, unaltered", async (_case, body) => {
    await using _gateway = await plainGateway(echoPlain);
    const answer = await sendRequest(caller, { ...asked, body, contentType: "text/plain" });
    expect(Buffer.from(answer.body).equals(body)).toBe(true);
    expect(answer).toMatchObject({ contentType: "text/plain", envelopes: 1 });
  });

  test("is answered by a gateway that uses the client, and the client by a plain gateway", async () => {
    {
      await using _gateway = await gateway(echo);
      const answer = await sendRequest(caller, { ...asked, body: hello });
      expect(Buffer.from(answer.body)).toEqual(hello);
    }
    await using _gateway = await plainGateway(echoPlain);
    await using client: Client = await system.orchestrator();
    const answer = await client.request({ ...asked, body: hello });
    expect(Buffer.from(answer.body)).toEqual(hello);
  });

  test("that takes longer than the accept timeout is answered, under one envelope", async () => {
    await using _gateway = await plainGateway(async ({ body }) => {
      await delay(1300);
      return body;
    });
    expect(await sendRequest(caller, { ...asked, body: hello })).toMatchObject({ envelopes: 1 });
  });

  test("to a full gateway is sent again in a fresh envelope", async () => {
    await using _gateway = await plainGateway(async ({ body }) => {
      await delay(30);
      return body;
    }, 1);
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => sendRequest(caller, { ...asked, body: hello })),
    );
    expect(Math.max(...answers.map(({ envelopes }) => envelopes))).toBeGreaterThan(1);
  });

  test.each([
    ["a plain gateway", () => plainGateway(echoPlain)],
    ["a gateway that uses the client", () => gateway(echo, ["chat"])],
  ])("that %s with another intent refuses is sealed once more, and then fails", async (_kind, serve) => {
    await using _gateway = await serve();
    const started = performance.now();
    await expect(sendRequest(caller, { ...asked, intent: "tools", body: hello })).rejects.toMatchObject({
      code: "REFUSED",
    });
    expect(performance.now() - started).toBeGreaterThan(2 * 700 + 1000 - 2);
  });

  test("after Redis lost all data is answered", async () => {
    await using _gateway = await plainGateway(echoPlain);
    await sendRequest(caller, { ...asked, body: hello });
    await system.redis?.restart();
    const { envelopes } = await sendRequest(caller, { ...asked, body: hello });
    expect(envelopes).toBeLessThanOrEqual(2);
  });

  test("without a gateway fails at once", async () => {
    await expect(sendRequest(caller, { ...asked, body: hello })).rejects.toMatchObject({
      code: "NO_RESPONDERS",
    });
  });

  test("at its deadline fails with TIMEOUT, and aborts the handler", async () => {
    const handled = Promise.withResolvers<AbortSignal>();
    await using _gateway = await plainGateway(async ({ signal, body }) => {
      handled.resolve(signal);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return body;
    });
    const request = sendRequest(caller, { ...asked, body: hello, timeoutMs: 500 });
    await expect(request).rejects.toMatchObject({ code: "TIMEOUT" });
    const signal = await handled.promise;
    await eventually(() => signal.aborted);
  });

  test.each(["a plain gateway", "a gateway that uses the client"])(
    "that is aborted aborts the handler of %s",
    async (kind) => {
      const handled = Promise.withResolvers<AbortSignal>();
      const hang = async ({ signal, body }: { signal: AbortSignal; body: Uint8Array }) => {
        handled.resolve(signal);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return body;
      };
      await using _gateway =
        kind === "a plain gateway"
          ? await plainGateway(hang)
          : await gateway(async (call) => ({ body: await hang(call) }));
      const giveUp = new AbortController();
      const request = sendRequest(caller, { ...asked, body: hello, signal: giveUp.signal });
      const signal = await handled.promise;
      giveUp.abort();
      await expect(request).rejects.toMatchObject({ code: "ABORTED" });
      await eventually(() => signal.aborted);
    },
  );

  test("with a forged answer waits for the genuine one", async () => {
    const connection = await plainUser("gateway-openai", "gateway");
    connection.nats.subscribe("scbe.v1.request.*.openai", {
      queue: "gateways",
      callback: (_error, message) => void answerTwice(connection, message),
    });
    await connection.nats.flush();
    const answer = await sendRequest(caller, { ...asked, body: hello });
    expect(Buffer.from(answer.body).toString()).toBe("the right one");
    await connection.nats.close();
  });
});

/** Sends a sealed answer that is bound to another request, and then the genuine answer. */
async function answerTwice(connection: PlainConnection, message: Msg): Promise<void> {
  const at = `${connection.user}.openai.chat`;
  const opened = await ask(connection, `scbe.v1.envelope.open.request.${at}`, message.data);
  const binding = Object.fromEntries(
    ["scbe-model", "scbe-request-id", "scbe-in-reply-to"].map((name) => [
      name,
      opened.headers?.get(name) ?? "",
    ]),
  );
  const answers = [
    { body: "a wrong one", binding: { ...binding, "scbe-in-reply-to": "A".repeat(43) } },
    { body: "the right one", binding },
  ];
  for (const { body, binding: parameters } of answers) {
    const subject = `scbe.v1.envelope.seal.response.${at}`;
    const sealed = await ask(connection, subject, Buffer.from(body), parameters);
    const status = sealed.headers;
    message.respond(sealed.data, status && { headers: status });
  }
}

describe("a handler that fails", () => {
  test("at a plain gateway is a problem that plain callers and clients read", async () => {
    await using _gateway = await plainGateway(() => {
      throw new Error("the database's password is 1234");
    });
    const failed = { code: "HANDLER_FAILED", message: expect.not.stringContaining("password") };
    await expect(sendRequest(caller, { ...asked, body: hello })).rejects.toMatchObject(failed);
    await using client = await system.orchestrator();
    await expect(client.request({ ...asked, body: hello })).rejects.toMatchObject(failed);
  });

  test("at a gateway that uses the client reaches a plain caller with its code and text", async () => {
    await using _gateway = await gateway(() => {
      throw new ScbeError("FORBIDDEN", "this model is not for you");
    });
    await expect(sendRequest(caller, { ...asked, body: hello })).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: "this model is not for you",
    });
  });

  test("for the size of its answer is a TOO_LARGE with the limit", async () => {
    await using _gateway = await plainGateway(() => Buffer.alloc(8 * 1024 * 1024 - 600));
    await expect(sendRequest(caller, { ...asked, body: hello })).rejects.toMatchObject({
      code: "TOO_LARGE",
      message: expect.stringContaining(String(8 * 1024 * 1024)),
    });
  });
});

describe("the page for plain callers", () => {
  const page = readFileSync(new URL("../../../docs/callers.md", import.meta.url), "utf8");
  const own = readdirSync(new URL(".", import.meta.url)).filter((file) => !file.endsWith(".test.ts"));

  test("is sufficient: these files import a NATS client and nothing of SCBE", () => {
    expect(own).toEqual(["ask.ts", "caller.ts", "connect-user.ts", "gateway.ts", "traced-caller.ts"]);
    for (const file of own) {
      const text = readFileSync(new URL(file, import.meta.url), "utf8");
      const imported = [...text.matchAll(/from "([^"]+)"/g)].map(([, name]) => name ?? "");
      expect(imported.filter((name) => !/^(nats|node:.*|\.\/[a-z-]+\.ts)$/.test(name))).toEqual([]);
    }
  });

  test("names every subject and header that these files use", () => {
    for (const file of own) {
      const text = readFileSync(new URL(file, import.meta.url), "utf8");
      const used = text.match(/scbe\.v1\.[a-z.]*[a-z]|"(scbe|Nats)-[A-Za-z-]+"/g) ?? [];
      for (const name of used) expect(page).toContain(name.replaceAll('"', ""));
    }
  });

  test("names every header and status that SCBE reads or writes on these subjects", () => {
    const { kid: _, timeMs: __, traceparents: ___, ...headers } = HEADERS; // only between SCBE's own processes
    const names = [headers, SERVICE_ERROR_HEADERS, STATUS].flatMap((all) => Object.values(all));
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});
