import { readFileSync } from "node:fs";
import type { Answer, Client, RequestOptions } from "@scbe/client";
import { ScbeError } from "@scbe/contracts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { targetAt } from "../../test/targets.ts";
import { answerChat } from "../gateway/call-provider.ts";
import { type ProviderName, standInUrl } from "../providers.ts";
import { decodeRequests } from "../requests/decode-requests.ts";
import { type StandIn, startStandIn } from "../stand-in/start-stand-in.ts";
import { requestTable, type SentRequest, sendRequests } from "./send-requests.ts";

const examples = decodeRequests(readFileSync(new URL("../../requests.jsonl", import.meta.url)));
const some = examples.slice(0, 6);

let standIn: StandIn;
beforeAll(async () => {
  standIn = await startStandIn(0);
});
afterAll(() => standIn?.[Symbol.asyncDispose]());

/** The gateways' handler and the stand-in, called directly, without SCBE in between. */
async function askHandler(options: RequestOptions): Promise<Answer> {
  const { provider, model, body, contentType = "application/json" } = options;
  const target = targetAt(standInUrl(standIn.url, provider as ProviderName), provider as ProviderName);
  const header = { model, content_type: contentType } as Parameters<
    ReturnType<typeof answerChat>
  >[0]["header"];
  const signal = options.signal ?? new AbortController().signal;
  const answer = await answerChat(target)({ body, header, isSealed: true, signal, remainingMs: 10_000 });
  return toAnswer(Buffer.from(answer.body));
}

const toAnswer = (body: Uint8Array, contentType = "application/json"): Answer => ({
  body,
  contentType,
  requestId: "",
  provider: "",
  passedOver: [],
  isSealed: true,
  envelopes: 1,
  sealMs: 0.5,
  roundTripMs: 2,
});
const answering = (request: Client["request"]): Pick<Client, "request"> => ({ request });

async function all(sent: AsyncIterable<SentRequest>): Promise<SentRequest[]> {
  const rows: SentRequest[] = [];
  for await (const row of sent) rows.push(row);
  return rows;
}

test("every request of the examples is ok through the gateways' handler and the stand-in, in order", async () => {
  const rows = await all(sendRequests(answering(askHandler), examples));
  expect(rows).toEqual(
    examples.map(({ id, provider, body }) => ({
      id,
      provider,
      bytes: body.length,
      seal_ms: 0.5,
      round_trip_ms: 2,
      verdict: "ok",
    })),
  );
});

describe("a verified answer is not ok", () => {
  const answer = { provider: "openai", model: "gpt-5", text: "hi", finish: "stop" };
  const first = examples.filter(({ provider }) => provider === "openai").slice(0, 1);
  const verdict = async (value: unknown, contentType?: string): Promise<string | undefined> => {
    const client = answering(async () => toAnswer(Buffer.from(JSON.stringify(value)), contentType));
    return (await all(sendRequests(client, first)))[0]?.verdict;
  };

  test("if it is another provider's, of another model, or in another form", async () => {
    expect(await verdict(answer)).toBe("ok");
    expect(await verdict({ ...answer, provider: "xai" })).toBe("WRONG_ANSWER");
    expect(await verdict({ ...answer, model: "gpt-4" })).toBe("WRONG_ANSWER");
    expect(await verdict({ ...answer, text: null })).toBe("WRONG_ANSWER");
    expect(await verdict(answer, "text/plain")).toBe("WRONG_ANSWER");
  });

  test("if the stand-in read another byte", async () => {
    const client = answering((options: RequestOptions) => {
      const body = Buffer.from(options.body);
      body[body.indexOf("Zw")] = 0x42;
      return askHandler({ ...options, body });
    });
    expect((await all(sendRequests(client, first)))[0]?.verdict).toBe("WRONG_ANSWER");
  });
});

test("an error's code is the verdict, and its text is reported", async () => {
  const problems: [string, string][] = [];
  const failing = answering(async ({ provider }) => {
    if (provider === "openai") throw new ScbeError("REFUSED", "refused");
    throw new TypeError("a defect");
  });
  const onProblem = (id: string, error: unknown): void => void problems.push([id, String(error)]);
  const rows = await all(sendRequests(failing, some.slice(0, 2), { onProblem }));
  expect(rows).toMatchObject([
    { verdict: "REFUSED", seal_ms: null },
    { verdict: "INTERNAL", seal_ms: null },
  ]);
  expect(problems).toEqual([
    ["openai-1", "ScbeError: refused"],
    ["anthropic-2", "TypeError: a defect"],
  ]);
});

/** A client whose answers the test releases one by one. */
function gated() {
  const waiting: (() => void)[] = [];
  const signals: (AbortSignal | undefined)[] = [];
  const request: Client["request"] = async ({ signal }) => {
    signals.push(signal);
    const open = Promise.withResolvers<void>();
    waiting.push(open.resolve);
    signal?.addEventListener("abort", () => open.reject(new ScbeError("ABORTED", "given up")));
    await open.promise;
    throw new ScbeError("TIMEOUT", "late");
  };
  return { waiting, signals, client: answering(request) };
}

test("the number of requests in flight is limited, and a slow one delays no other", async () => {
  const { waiting, client } = gated();
  const rows = all(sendRequests(client, some, { concurrency: 2 }));
  expect(waiting).toHaveLength(2);
  for (let at = 1; at < some.length; at += 1) {
    waiting[at]?.();
    await new Promise(setImmediate);
    expect(waiting).toHaveLength(Math.min(at + 2, some.length));
  }
  waiting[0]?.();
  expect((await rows).map(({ id }) => id)).toEqual(some.map(({ id }) => id));
});

test("when the consumer stops reading, requests in flight are aborted, and no more are sent", async () => {
  const { waiting, signals, client } = gated();
  const sent = sendRequests(client, some, { concurrency: 2 });
  const first = sent.next();
  waiting[0]?.();
  await first;
  await sent.return();
  const count = signals.length;
  expect(signals.at(-1)?.aborted).toBe(true);
  await new Promise(setImmediate);
  expect(signals).toHaveLength(count);
  expect(count).toBeLessThan(some.length);
});

test("the caller's signal aborts every request, and each has a result", async () => {
  const { client } = gated();
  const stop = new AbortController();
  const rows = all(sendRequests(client, some, { concurrency: some.length, signal: stop.signal }));
  stop.abort();
  expect((await rows).map(({ verdict }) => verdict)).toEqual(some.map(() => "ABORTED"));
});

test("the table has titles, a line for each request, and right-aligned numbers", () => {
  const row = {
    id: "a",
    provider: "openai",
    bytes: 200,
    seal_ms: null,
    round_trip_ms: 12.34,
    verdict: "TIMEOUT",
  };
  expect(
    requestTable([row, { ...row, id: "longer-id", bytes: 262_144, seal_ms: 0.125, verdict: "ok" }]),
  ).toBe(
    [
      "request    provider   bytes  seal ms  round trip ms  verdict",
      "a          openai       200                    12.3  TIMEOUT",
      "longer-id  openai    262144     0.13           12.3  ok",
      "",
    ].join("\n"),
  );
});
