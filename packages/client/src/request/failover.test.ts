import { type ScbeError, STATUS } from "@scbe/contracts";
import { type Deployment, eventually, startDeployment } from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { replies } from "../../test/replies.ts";
import { type Arrived, ScriptedGateway } from "../../test/scripted-gateway.ts";
import { failureOf } from "../../test/trust-fixture.ts";
import type { Candidate, Client, ErrorCode } from "../index.ts";

const variables = {
  SCBE_ADMIT_TIMEOUT_MS: "50",
  SCBE_NOISE_FLOOR_MS: "100",
  SCBE_ACCEPT_TIMEOUT_MS: "250",
  SCBE_REQUEST_TIMEOUT_MAX_MS: "20000",
};
/** `mistral` has no gateway. */
const PROVIDERS = ["openai", "anthropic", "mistral"];

let deployment: Deployment;
let openai: ScriptedGateway;
let anthropic: ScriptedGateway;
let client: Client;
const metrics = new Registry();

beforeAll(async () => {
  deployment = await startDeployment(variables);
  const bus = await deployment.connect("gateways");
  openai = new ScriptedGateway(bus, deployment.keyring, "openai");
  anthropic = new ScriptedGateway(bus, deployment.keyring, "anthropic");
  await bus.flush();
  client = await deployment.orchestrator({ providers: PROVIDERS, metrics });
});
afterAll(async () => {
  await client?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  openai.reset();
  anthropic.reset(({ answer }) => answer("of anthropic"));
});

const CLAUDE = { provider: "anthropic", model: "claude" };
const content = { model: "gpt-5", intent: "chat", body: Buffer.from("Grüß Gott"), timeoutMs: 10_000 };

interface Change {
  readonly providers?: readonly Candidate[];
  readonly timeoutMs?: number;
  readonly attemptTimeoutMs?: number;
  readonly attemptsMax?: number;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal;
}

function request(change: Change = {}) {
  return client.request({ ...content, providers: ["openai", CLAUDE], ...change });
}

function failure(change: Change = {}): Promise<ScbeError> {
  return failureOf(request(change));
}

function codesIn({ cause }: ScbeError): ErrorCode[] {
  return (cause as AggregateError).errors.map(({ code }: ScbeError) => code);
}

const nothing = new Uint8Array(0);

test("the first candidate serves, and no other one is tried", async () => {
  expect(await request()).toMatchObject({ provider: "openai", passedOver: [], envelopes: 1 });
  expect(anthropic.arrived).toHaveLength(0);
});

test("candidates are tried in the caller's order", async () => {
  expect(await request({ providers: [CLAUDE, "openai"] })).toMatchObject({ provider: "anthropic" });
  expect(openai.arrived).toHaveLength(0);
});

describe("the next candidate serves, with the same request id and new nonces, after", () => {
  test.each<[string, (arrived: Arrived) => void, ErrorCode, number]>([
    ["a full one, tried three times", replies.busy, "BUSY", 3],
    ["a silent one, tried three times", replies.nothing, "TIMEOUT", 3],
    ["one that accepts and gives no answer in its share of the time", replies.accepted, "TIMEOUT", 1],
    ["noise", replies.noise, "REFUSED", 1],
    ["a handler that failed", replies.problem("HANDLER_FAILED"), "HANDLER_FAILED", 1],
    ["a handler whose provider is full", replies.problem("BUSY"), "BUSY", 1],
    ["a gateway that is stopping", replies.unsealed("NOT_READY"), "NOT_READY", 1],
    ["a gateway that has a defect", replies.unsealed("INTERNAL"), "INTERNAL", 1],
    ["a gateway that has received a kill", replies.unsealed("SWITCHED_OFF"), "SWITCHED_OFF", 1],
  ])("%s", async (_case, script, code, envelopes) => {
    openai.reset(script);
    const answer = await request({ attemptTimeoutMs: 1500 });
    const passedOver = [{ provider: "openai", model: "gpt-5", code, envelopes }];
    expect(answer).toMatchObject({ provider: "anthropic", passedOver, envelopes: envelopes + 1 });
    expect(Buffer.from(answer.body).toString()).toBe("of anthropic");
    const all = [...openai.arrived, ...anthropic.arrived].map(({ header }) => header);
    expect(all.map(({ provider }) => provider)).toEqual([...Array(envelopes).fill("openai"), "anthropic"]);
    expect(all.at(-1)).toMatchObject({ model: "claude", request_id: answer.requestId });
    expect(new Set(all.map(({ request_id }) => request_id)).size).toBe(1);
    expect(new Set(all.map(({ nonce }) => nonce)).size).toBe(envelopes + 1);
    expect(new Set(all.map(({ replay_nonce }) => replay_nonce)).size).toBe(envelopes + 1);
  });

  test("one without a gateway, and one without a key, to which nothing is sent", async () => {
    const answer = await request({ providers: ["xai", "mistral", CLAUDE] });
    expect(answer).toMatchObject({ provider: "anthropic", envelopes: 2 });
    expect(answer.passedOver).toEqual([
      { provider: "xai", model: "gpt-5", code: "NO_KEYS", envelopes: 0 },
      { provider: "mistral", model: "gpt-5", code: "NO_RESPONDERS", envelopes: 1 },
    ]);
  });
});

describe("candidates are never tried concurrently:", () => {
  test("a candidate is cancelled before the next one is tried, and its late answer is ignored", async () => {
    openai.reset(replies.accepted);
    let cancelledBefore = 0;
    anthropic.reset((arrived) => {
      cancelledBefore = openai.cancelled.length;
      openai.arrived[0]?.answer("late");
      setTimeout(() => arrived.answer("of anthropic"), 20);
    });
    const { body } = await request({ attemptTimeoutMs: 300 });
    expect(Buffer.from(body).toString()).toBe("of anthropic");
    expect(cancelledBefore).toBe(1);
    expect(openai.cancelled[0]?.equals(openai.arrived[0]?.hash ?? nothing)).toBe(true);
  });
});

describe("no other candidate is tried", () => {
  test.each<ErrorCode>(["BAD_REQUEST", "FORBIDDEN", "TOO_LARGE", "ABORTED", "DISCONNECTED", "CONFLICT"])(
    "after %s",
    async (code) => {
      openai.reset(replies.problem(code));
      expect(await failure()).toMatchObject({ code });
      expect(anthropic.arrived).toHaveLength(0);
    },
  );

  test("when the caller aborts", async () => {
    const giveUp = new AbortController();
    openai.reset((arrived) => {
      replies.accepted(arrived);
      setTimeout(() => giveUp.abort(), 20);
    });
    expect(await failure({ signal: giveUp.signal })).toMatchObject({ code: "ABORTED" });
    await eventually(() => openai.cancelled.length === 1);
    expect(anthropic.arrived).toHaveLength(0);
  });

  test("for a request that is too large for the bus", async () => {
    expect(await failure({ body: Buffer.alloc(8 * 2 ** 20) })).toMatchObject({ code: "TOO_LARGE" });
    expect(anthropic.arrived).toHaveLength(0);
  });

  test("beyond `attemptsMax`; a candidate to which nothing was sent does not count", async () => {
    openai.reset(replies.problem("HANDLER_FAILED"));
    const error = await failure({ providers: ["xai", "openai", CLAUDE], attemptsMax: 1 });
    expect(codesIn(error)).toEqual(["NO_KEYS", "HANDLER_FAILED"]);
    expect(anthropic.arrived).toHaveLength(0);
  });
});

describe("when all fail", () => {
  test("the error is the last candidate's, and lists all in order", async () => {
    openai.reset(replies.noise);
    anthropic.reset(replies.problem("HANDLER_FAILED"));
    const error = await failure({ providers: ["mistral", "openai", CLAUDE] });
    expect(error.code).toBe("HANDLER_FAILED");
    expect(error.message).toBe(
      "from the handler (mistral: NO_RESPONDERS, openai: REFUSED, anthropic: HANDLER_FAILED)",
    );
    expect(error.requestId).toBe(openai.arrived[0]?.header.request_id);
    expect(error.cause).toBeInstanceOf(AggregateError);
    expect(codesIn(error)).toEqual(["NO_RESPONDERS", "REFUSED", "HANDLER_FAILED"]);
  });

  test("a skipped candidate does not hide the error of an earlier one", async () => {
    openai.reset(replies.problem("HANDLER_FAILED"));
    const error = await failure({ providers: ["openai", "xai"] });
    expect(error.code).toBe("HANDLER_FAILED");
    expect(codesIn(error)).toEqual(["HANDLER_FAILED", "NO_KEYS"]);
  });

  test("all candidates share one deadline equally", async () => {
    openai.reset(replies.accepted);
    anthropic.reset(replies.accepted);
    const started = performance.now();
    const error = await failure({ timeoutMs: 800 });
    expect(performance.now() - started).toBeGreaterThan(790);
    expect(performance.now() - started).toBeLessThan(5000);
    expect(codesIn(error)).toEqual(["TIMEOUT", "TIMEOUT"]);
    const [first, second] = [...openai.arrived, ...anthropic.arrived].map((it) => Number(it.timeoutMs));
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(400);
    expect(second).toBeLessThanOrEqual(401);
  });
});

test("the last candidate has all remaining time, and the envelopes of a single provider", async () => {
  openai.reset(replies.problem("HANDLER_FAILED"));
  anthropic.reset((arrived, nth) => (nth < 6 ? arrived.reply(STATUS.busy) : arrived.answer("ok")));
  expect(await request({ attemptTimeoutMs: 1 })).toMatchObject({ provider: "anthropic" });
  expect(Number(anthropic.arrived[0]?.timeoutMs)).toBeGreaterThan(1000);
});

test("a request is counted once, under the provider that served it or was tried last; an envelope under its own provider", async () => {
  metrics.resetMetrics();
  openai.reset(replies.problem("HANDLER_FAILED"));
  await request();
  anthropic.reset(replies.problem("BUSY"));
  await failure();
  const shown = await metrics.metrics();
  const counted = [...shown.matchAll(/^(scbe_request(?:s|_envelopes)_total)\{(.*)\} ([1-9]\d*)$/gm)];
  const lines = counted.map(([, name, labels, value]) => `${name} ${labels?.replaceAll('"', "")} ${value}`);
  expect(lines.toSorted()).toEqual([
    "scbe_request_envelopes_total provider=anthropic,landing=answered 2",
    "scbe_request_envelopes_total provider=openai,landing=answered 2",
    "scbe_requests_total provider=anthropic,result=BUSY 1",
    "scbe_requests_total provider=anthropic,result=ok 1",
  ]);
});
