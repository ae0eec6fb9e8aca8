import { eventually, type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { memoryPlane } from "./memory-plane.ts";
import { PAGERDUTY_TAKES, type PostReceiver, receivePosts, SLACK_TAKES } from "./receive-posts.ts";
import { PROVIDERS, postOf, type Stage, startStage } from "./rollback-stage.ts";

let nats: SecuredNats;
let pagerduty: PostReceiver;
let slack: PostReceiver;
let stack: AsyncDisposableStack;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  nats = stack.use(await startSecuredNats({ providers: [...PROVIDERS] }));
  pagerduty = stack.use(await receivePosts(PAGERDUTY_TAKES));
  slack = stack.use(await receivePosts(SLACK_TAKES));
});
afterEach(() => stack.disposeAsync());

const start = async (options: Partial<Parameters<typeof startStage>[0]> = {}): Promise<Stage> =>
  stack.use(
    await startStage({
      nats,
      config: {
        PAGERDUTY_INTEGRATION_KEY: "integration-key",
        PAGERDUTY_URL: pagerduty.url,
        SLACK_WEBHOOK_URL: slack.url,
      },
      ...options,
    }),
  );
const incidents = () => pagerduty.posts.map(({ body }) => `${body.event_action} ${body.dedup_key}`);
const person = { by: "admin", reason: "a drill" };

test("a person's kill and its release go to both destinations, as one incident", async () => {
  const { plane, stored } = await start();
  await plane.kill({ cause: "availability", provider: "openai" }, person);
  await eventually(() => pagerduty.posts.length === 1 && slack.posts.length === 1);
  plane.release();
  await eventually(() => pagerduty.posts.length === 2 && slack.posts.length === 2);
  expect(incidents()).toEqual(["trigger scbe-kill:dev:openai", "resolve scbe-kill:dev:openai"]);
  expect(slack.posts.map(({ body }) => body.text)).toEqual([
    expect.stringContaining("*Kill switch engaged* for *openai* (availability, disabled)\nby admin: a drill"),
    expect.stringContaining("*Kill switch released* for *openai*"),
  ]);
  await eventually(async () => Object.keys((await stored()).noticed).length === 0);
});

test("a controller that does not lead sends no notice, and sends those due when it takes over", async () => {
  const plane = memoryPlane();
  const { metric } = await start({ plane, isLeading: () => false });
  let leads = false;
  await start({ plane, isLeading: () => leads });
  await plane.kill({ cause: "integrity" }, person);
  leads = true;
  await eventually(() => pagerduty.posts.length === 1 && slack.posts.length === 1);
  expect(await metric("scbe_notices_total")).toBe(0);
});

test("a sent notice is not sent again by the next leader", async () => {
  const plane = memoryPlane();
  const first = await start({ plane });
  await plane.kill({ cause: "integrity" }, person);
  await eventually(async () => (await first.stored()).noticed["*"] !== undefined);
  await eventually(() => slack.posts.length === 1);
  await first[Symbol.asyncDispose]();
  await start({ plane });
  await plane.kill({ cause: "integrity", provider: "xai" }, person);
  await eventually(() => slack.posts.length === 2);
  expect(slack.posts[1]?.body.text).toContain("*xai*");
});

test("a kill does not wait for a destination, and its notice arrives when the destination is back", async () => {
  pagerduty.answer = () => undefined;
  slack.answer = (response) => void response.destroy();
  const { webhook, plane, note, host } = await start();
  expect(await webhook.receive(postOf("SCBENonceReuse", "openai"))).toMatchObject({ status: 200 });
  expect(plane.orders).toHaveLength(1);
  await eventually(() => note("slack") !== undefined);
  expect(host.readiness.ready).toBe(true);
  slack.answer = SLACK_TAKES;
  await eventually(() => note("slack") === undefined, { timeoutMs: 10_000 });
});
