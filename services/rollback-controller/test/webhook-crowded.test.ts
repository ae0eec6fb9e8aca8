import { PassThrough } from "node:stream";
import { type SecuredNats, startSecuredNats } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PROVIDERS, postOf, type Stage, startStage } from "./rollback-stage.ts";

const OF_TESTS = Array.from({ length: 10 }, (_, index) => `p${index}`);
const MIB = 1024 * 1024;
/** Less than the time after which a post counts as cut off. */
const AT_ONCE_MS = 1500;

let nats: SecuredNats;
let stage: Stage;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  nats = stack.use(await startSecuredNats({ providers: [...PROVIDERS] }));
  stage = stack.use(await startStage({ nats, config: { SCBE_PROVIDERS: [...OF_TESTS] } }));
});
afterAll(() => stack.disposeAsync());

/** A post with this start that never ends. */
function postUnfinished(start: string) {
  const stream = new PassThrough({ highWaterMark: 2 * MIB });
  stream.write(start);
  return stage.rollback.webhook.receive(stream);
}

const killed = (provider: string): boolean => stage.plane.orders.some((order) => order.provider === provider);

/** The start of a post that names the alert, cut off after its labels. */
function startOf(provider: string): string {
  const text = JSON.stringify(postOf("SCBEPhaseSkew", provider));
  return text.slice(0, text.indexOf('"annotations"'));
}

test.each([45, 300])("an alert kills while %i other posts never finish", async (count) => {
  const provider = OF_TESTS.pop() ?? "";
  const others = Array.from({ length: count }, () => postUnfinished("{"));
  const began = performance.now();
  expect(await stage.webhook.receive(postOf("SCBEPhaseSkew", provider))).toMatchObject({
    status: 200,
    body: { killed: 1 },
  });
  expect(performance.now() - began).toBeLessThan(AT_ONCE_MS);
  await Promise.all(others);
});

test("a post that gives way to newer ones is processed as far as it was read", async () => {
  const provider = OF_TESTS.pop() ?? "";
  const began = performance.now();
  const oldest = postUnfinished(startOf(provider));
  await new Promise(setImmediate);
  const others = Array.from({ length: 200 }, () => postUnfinished("{"));
  expect(await oldest).toMatchObject({ status: 200 });
  expect([performance.now() - began < AT_ONCE_MS, killed(provider)]).toEqual([true, true]);
  await Promise.all(others);
});

test("a post that gives way before it names an alert has to be sent again", async () => {
  const oldest = postUnfinished("{");
  const others = Array.from({ length: 200 }, () => postUnfinished("{"));
  expect(await oldest).toEqual({ status: 503, body: { code: "NOT_READY", title: expect.any(String) } });
  await Promise.all(others);
});

test("unfinished posts hold a bounded number of bytes", async () => {
  const provider = OF_TESTS.pop() ?? "";
  const began = performance.now();
  const oldest = postUnfinished(startOf(provider));
  await new Promise(setImmediate);
  const others = Array.from({ length: 40 }, () => postUnfinished("x".repeat(MIB - 1)));
  expect(await oldest).toMatchObject({ status: 200 });
  expect(performance.now() - began).toBeLessThan(AT_ONCE_MS);
  await Promise.all(others);
});
