import type { RequestListener } from "node:http";
import { collectLogs, eventually } from "@scbe/testkit";
import { describe, expect, test } from "vitest";
import { startHttpServer } from "../../test/http-server.ts";
import { targetAt } from "../../test/targets.ts";
import type { Chat } from "../chat.ts";
import type { ProviderName } from "../providers.ts";
import { callProvider } from "./call-provider.ts";
import type { Target } from "./config.ts";

const KEY = "sk-swordfish-key";
const WORDS = "unrepeatable words of a caller";
const CHAT: Chat = { messages: [{ role: "user", content: WORDS }] };
const never = new AbortController().signal;
const REQUEST = { chat: CHAT, model: "m", requestId: "0189dcd5-1111-4222-8333-444455556666", signal: never };

/** The error of a call to a server with this listener. */
async function failure(
  listener: RequestListener,
  more: Partial<Target> = {},
  signal = never,
): Promise<unknown> {
  await using server = await startHttpServer(listener);
  const target = targetAt(server.url, more.provider ?? "openai", { key: KEY, ...more });
  return await callProvider(target, { ...REQUEST, signal }).then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Answers with a status, and quotes key and body like a careless server. */
const quoting =
  (status: number, headers: Record<string, string> = {}): RequestListener =>
  (request, response) => {
    const quoted = `${request.headers.authorization} ${request.headers["x-goog-api-key"]} ${WORDS}`;
    response.writeHead(status, headers).end(JSON.stringify({ error: { message: quoted } }));
  };

/** All text of an error that a caller or a log could show. */
function everythingOf(error: unknown): string {
  const logs = collectLogs();
  logs.log.warn({ err: error }, "the handler failed");
  return `${logs.text} ${String(error)} ${String((error as Error).cause)}`;
}

describe("a provider's HTTP error becomes one of ours, without key or body:", () => {
  test.each([
    [400, "BAD_REQUEST", /does not take this request/],
    [401, "HANDLER_FAILED", /does not accept the key in OPENAI_API_KEY of its gateway/],
    [403, "HANDLER_FAILED", /does not accept the key in OPENAI_API_KEY/],
    [404, "BAD_REQUEST", /no such model/],
    [413, "BAD_REQUEST", /HTTP 413/],
    [422, "BAD_REQUEST", /HTTP 422/],
    [429, "BUSY", /at its limit/],
    [500, "HANDLER_FAILED", /openai failed \(HTTP 500\)/],
    [503, "BUSY", /HTTP 503/],
    [529, "BUSY", /HTTP 529/],
    [204, "HANDLER_FAILED", /HTTP 204/],
    [307, "HANDLER_FAILED", /redirects \(HTTP 307\), which is not followed/],
  ])("HTTP %i is %s", async (status, code, message) => {
    const error = await failure(quoting(status));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(everythingOf(error)).not.toMatch(new RegExp(`${KEY}|${WORDS}`));
  });

  test("a missing key is reported as missing", async () => {
    const error = await failure(quoting(401), { key: undefined });
    expect(error).toMatchObject({ message: expect.stringMatching(/OPENAI_API_KEY is not set/) });
  });

  test("Google's 400 for a key that is not valid names the key's variables, any other 400 does not", async () => {
    const google =
      (reason: string): RequestListener =>
      (_request, response) =>
        void response.writeHead(400).end(JSON.stringify({ error: { code: 400, details: [{ reason }] } }));
    const provider: ProviderName = "google";
    expect(await failure(google("API_KEY_INVALID"), { provider })).toMatchObject({
      code: "HANDLER_FAILED",
      message: expect.stringMatching(/GEMINI_API_KEY or GOOGLE_API_KEY/),
    });
    expect(await failure(google("OTHER"), { provider })).toMatchObject({ code: "BAD_REQUEST" });
  });

  test("an endless error is recognized by its status", async () => {
    const endless: RequestListener = (_request, response) => {
      response.writeHead(500);
      const more = (): void => void (response.write(Buffer.alloc(65_536)) ? setImmediate(more) : 0);
      response.on("drain", more).on("error", () => undefined);
      more();
    };
    expect(await failure(endless, { timeoutMs: 60_000 })).toMatchObject({
      code: "HANDLER_FAILED",
      message: "openai failed (HTTP 500)",
    });
  });
});

test.each([
  ["Idempotency-Key", REQUEST.requestId],
  [undefined, undefined],
])("with the idempotency header %s the provider gets %s", async (idempotencyHeader, expected) => {
  const transcript: (string | string[] | undefined)[] = [];
  const listener: RequestListener = (request, response) => {
    transcript.push(request.headers["idempotency-key"]);
    response.writeHead(200).end(completion("hello"));
  };
  await failure(listener, idempotencyHeader === undefined ? {} : { idempotencyHeader });
  expect(transcript).toEqual([expected]);
});

test("a redirect is not followed, so that the key is not sent elsewhere", async () => {
  const reached: (string | undefined)[] = [];
  await using elsewhere = await startHttpServer((request, response) => {
    reached.push(request.headers.authorization);
    response.end("{}");
  });
  await failure((_request, response) => void response.writeHead(302, { location: elsewhere.url }).end());
  expect(reached).toEqual([]);
});

const answering =
  (body: string): RequestListener =>
  (_request, response) =>
    void response.writeHead(200, { "content-type": "application/json" }).end(body);
const completion = (content: string): string =>
  JSON.stringify({ choices: [{ message: { content }, finish_reason: "stop" }] });

describe("an unusable answer is an error, without a quotation of it:", () => {
  test.each([
    ["no JSON", `<html>${WORDS}</html>`],
    ["another form", JSON.stringify({ choices: WORDS })],
    ["nothing", ""],
    ["no choice", JSON.stringify({ choices: [] })],
  ])("%s", async (_case, body) => {
    const error = await failure(answering(body));
    expect(error).toMatchObject({
      code: "HANDLER_FAILED",
      message: "the answer of openai does not have the form of its API",
    });
    expect(everythingOf(error)).not.toContain(WORDS);
  });

  test("one byte above the limit is TOO_LARGE and names the variable; at the limit it is read", async () => {
    const body = completion("x".repeat(2000));
    const answerBytesMax = Buffer.byteLength(body);
    expect(await failure(answering(body), { answerBytesMax })).toBeUndefined();
    expect(await failure(answering(body), { answerBytesMax: answerBytesMax - 1 })).toMatchObject({
      code: "TOO_LARGE",
      message: expect.stringMatching(/SCBE_PROVIDER_ANSWER_BYTES_MAX/),
    });
  });

  test("an answer that breaks off is HANDLER_FAILED", async () => {
    const error = await failure((_request, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write('{"choices":', () => response.destroy());
    });
    expect(error).toMatchObject({ code: "HANDLER_FAILED", message: "openai could not be reached" });
  });
});

describe("a call to a provider that does not answer ends:", () => {
  const silent: RequestListener = () => undefined;
  const stalling: RequestListener = (_request, response) => void response.writeHead(200).write('{"choices":');

  test.each([
    ["before its answer", silent],
    ["within its answer", stalling],
  ])("silent %s, it is TIMEOUT after its time", async (_case, listener) => {
    expect(await failure(listener, { timeoutMs: 100 })).toMatchObject({
      code: "TIMEOUT",
      message: "openai took longer than 100 ms",
    });
  });

  test("when the request is cancelled it is ABORTED, and the connection is closed", async () => {
    const asked = Promise.withResolvers<void>();
    await using server = await startHttpServer(() => asked.resolve());
    const gone = new AbortController();
    const call = callProvider(targetAt(server.url, "openai"), { ...REQUEST, signal: gone.signal });
    const failed = expect(call).rejects.toMatchObject({ code: "ABORTED" });
    await asked.promise;
    gone.abort();
    await failed;
    await eventually(async () => (await server.connections()) === 0);
  });

  test("an unreachable server is HANDLER_FAILED, with the reason in the log alone", async () => {
    let url: string;
    {
      await using server = await startHttpServer(silent);
      url = server.url;
    }
    const call = callProvider(targetAt(url, "openai", { key: KEY }), REQUEST);
    const error = await call.catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "HANDLER_FAILED", message: "openai could not be reached" });
    expect(everythingOf(error)).toContain("ECONNREFUSED");
    expect(everythingOf(error)).not.toMatch(new RegExp(`${KEY}|${WORDS}`));
  });
});
