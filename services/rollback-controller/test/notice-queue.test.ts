import type { Kill } from "@scbe/contracts";
import { createReadiness, systemClock } from "@scbe/runtime";
import { collectLogs, eventually } from "@scbe/testkit";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { triggersFor } from "../src/alerts/triggers.ts";
import { EVERYTHING, type Notice } from "../src/notify/notice.ts";
import { destinations } from "../src/notify/notices.ts";
import { NoticeQueue, type NoticeTimes, noticeMetrics, QUEUE_MAX } from "../src/notify/queue.ts";
import {
  type Answer,
  PAGERDUTY_TAKES,
  type PostReceiver,
  receivePosts,
  SLACK_TAKES,
  status,
} from "./receive-posts.ts";

const KEY = "integration-key-0123456789";
const SLACK_PATH = "/services/T0/B0/secret-of-slack";
const kill: Kill = { cause: "integrity", reason: "why", by: "ADMIN_TOKEN", since: 1 };
const engaged: Notice = { kind: "engaged", scope: EVERYTHING, kill, mode: "disabled", key: "incident" };
const released: Notice = { kind: "released", scope: EVERYTHING, keys: ["incident"] };
const QUICK: NoticeTimes = { timeoutMs: 200, deadlineMs: 60_000, retry: { firstMs: 10, maxMs: 40 } };

let server: PostReceiver;
let stack: AsyncDisposableStack;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  server = stack.use(await receivePosts(PAGERDUTY_TAKES));
});
afterEach(() => stack.disposeAsync());

/** A queue to the server, with its metrics and readiness. */
function outboxTo(name: "pagerduty" | "slack", times = QUICK, url = server.url) {
  const registry = new Registry();
  const logs = collectLogs();
  const readiness = createReadiness();
  const [destination] = destinations({
    env: "prod",
    triggers: triggersFor("all"),
    pagerdutyKey: name === "pagerduty" ? KEY : undefined,
    pagerdutyUrl: `${url}/v2/enqueue`,
    slackUrl: name === "slack" ? `${url}${SLACK_PATH}` : undefined,
  });
  if (destination === undefined) throw new Error("no destination");
  const metrics = noticeMetrics(registry);
  const outbox = new NoticeQueue({
    destination,
    clock: systemClock,
    log: logs.log,
    metrics,
    readiness,
    times,
  });
  const count = async (result: string): Promise<number> => {
    const rows = (await registry.getSingleMetric("scbe_notices_total")?.get())?.values ?? [];
    return rows.find(({ labels }) => labels.to === name && labels.result === result)?.value ?? 0;
  };
  const note = () => readiness.report()[0]?.note;
  return { outbox, logs, readiness, count, note };
}

/** Answers in this order; the last one repeats. */
function inTurn(...answers: readonly Answer[]): Answer {
  let count = 0;
  return (response, post) => {
    count += 1;
    return answers[Math.min(count, answers.length) - 1]?.(response, post);
  };
}

const reset: Answer = (response) => void response.destroy();
const stall: Answer = () => undefined;
const stallInside: Answer = (response) => void response.writeHead(202).write('{"status":');
const endless: Answer = (response) => {
  response.writeHead(202);
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536))) {}
  };
  response.on("drain", more);
  more();
};

test("PagerDuty gets a kill and its release, in order and in its own shape", async () => {
  const { outbox, count, note } = outboxTo("pagerduty");
  stack.use(outbox);
  outbox.add(engaged);
  outbox.add(released);
  await eventually(async () => (await count("delivered")) === 2);
  expect(server.posts).toMatchObject([
    {
      path: "/v2/enqueue",
      contentType: "application/json",
      body: {
        routing_key: KEY,
        event_action: "trigger",
        dedup_key: "incident",
        payload: { severity: "critical" },
      },
    },
    { body: { routing_key: KEY, event_action: "resolve", dedup_key: "incident" } },
  ]);
  expect(note()).toBeUndefined();
});

test("Slack gets a text", async () => {
  server.answer = SLACK_TAKES;
  const { outbox, count } = outboxTo("slack");
  stack.use(outbox);
  outbox.add(engaged);
  await eventually(async () => (await count("delivered")) === 1);
  expect(server.posts).toEqual([
    {
      path: SLACK_PATH,
      contentType: "application/json",
      body: { text: expect.stringContaining("*everything*") },
    },
  ]);
});

describe.each([
  ["fails", status(500, "{}")],
  ["is busy", status(429, "", { "retry-after": "0" })],
  ["resets the connection", reset],
  ["stalls", stall],
  ["stalls in its answer", stallInside],
  ["never ends its answer", endless],
  ["lies: 200, and another's words", status(200, "<html>Please log in</html>")],
  ["lies: 202, and an error", status(202, JSON.stringify({ status: "invalid event" }))],
  ["sends elsewhere", status(307, "", { location: "http://127.0.0.1:1/" })],
])("a destination that %s", (_case, wrong) => {
  test("gets the notice again until it accepts it, and /readyz says so meanwhile", async () => {
    server.answer = wrong;
    const { outbox, count, note, readiness } = outboxTo("pagerduty");
    stack.use(outbox);
    outbox.add(engaged);
    await eventually(async () => (await count("failed")) >= 2);
    expect([note(), readiness.ready]).toEqual([
      expect.stringMatching(/^the last notice was not accepted: /),
      true,
    ]);
    server.answer = PAGERDUTY_TAKES;
    await eventually(async () => (await count("delivered")) === 1);
    expect([note(), await count("given_up")]).toEqual([undefined, 0]);
  });
});

test.each([400, 403, 404, 410])(
  "a notice that is refused with %i is not tried again, and the next one is",
  async (code) => {
    server.answer = inTurn(status(code, "invalid event"), PAGERDUTY_TAKES);
    const { outbox, count } = outboxTo("pagerduty");
    stack.use(outbox);
    outbox.add(engaged);
    outbox.add(released);
    await eventually(async () => (await count("delivered")) === 1);
    expect([await count("given_up"), await count("failed"), server.posts.length]).toEqual([1, 0, 2]);
  },
);

test.each([
  ["seconds", () => "1"],
  ["a date", () => new Date(Date.now() + 2000).toUTCString()],
])("the queue waits as long as Retry-After, in %s, requires", async (_case, retryAfter) => {
  server.answer = inTurn(status(429, "", { "retry-after": retryAfter() }), PAGERDUTY_TAKES);
  const { outbox, count } = outboxTo("pagerduty");
  stack.use(outbox);
  const startedAt = performance.now();
  outbox.add(engaged);
  await eventually(async () => (await count("delivered")) === 1);
  // Without it, the next try comes within 10 ms.
  expect(performance.now() - startedAt).toBeGreaterThan(700);
});

test("a notice is given up when its time is up, also when Retry-After exceeds the rest", async () => {
  server.answer = inTurn(status(503, "", { "retry-after": "3600" }), PAGERDUTY_TAKES);
  const { outbox, count, logs } = outboxTo("pagerduty");
  stack.use(outbox);
  outbox.add(engaged);
  outbox.add(released);
  await eventually(async () => (await count("delivered")) === 1);
  expect(await count("given_up")).toBe(1);
  expect(logs.lines).toContainEqual(
    expect.objectContaining({ msg: "a notice was given up: its time is up" }),
  );
});

test("the queue is bounded, and dropped notices are counted", async () => {
  server.answer = stall;
  const { outbox, count } = outboxTo("pagerduty", { ...QUICK, timeoutMs: 30_000 });
  for (let n = 0; n < QUEUE_MAX + 5; n += 1) outbox.add(engaged);
  expect(await count("dropped")).toBe(5);
  await outbox[Symbol.asyncDispose]();
  expect(await count("dropped")).toBe(QUEUE_MAX + 5);
});

test("an unreachable destination is no failure, and neither key nor address is ever logged", async () => {
  const gone = "http://127.0.0.1:1";
  const both = [outboxTo("pagerduty", QUICK, gone), outboxTo("slack", QUICK, gone)];
  for (const { outbox, count } of both) {
    stack.use(outbox);
    outbox.add(engaged);
    await eventually(async () => (await count("failed")) >= 2);
  }
  for (const { logs, readiness } of both) {
    const shown = logs.text + JSON.stringify(readiness.report());
    expect(shown).toMatch(/ECONNREFUSED|the connection failed/);
    expect(shown).not.toContain(KEY);
    expect(shown).not.toContain("secret-of-slack");
    expect(shown).not.toContain("127.0.0.1");
  }
});
