import { type Bus, connectBus } from "@scbe/bus";
import { type EpochRecord, patternOf, SUBJECTS, writeMessage } from "@scbe/contracts";
import { createReadiness, systemClock } from "@scbe/runtime";
import { createLogger } from "@scbe/service";
import { eventually, type NatsServer, startNats } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EpochFollower } from "./epoch-follower.ts";

const log = createLogger({ name: "test", level: "silent" });
let nats: NatsServer;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats[Symbol.asyncDispose]());

const FIRST = "AAAAAAAAAAAAAAAAAAAAAA";
const SECOND = "BBBBBBBBBBBBBBBBBBBBBA";

function record(epoch: string, generation: number, env: EpochRecord["env"] = "dev"): Uint8Array {
  const value: EpochRecord = { v: 1, env, epoch, generation, store: "s", from: 0, to: 1 };
  return writeMessage(value);
}

/** A follower, and a guard with an answer that tests can change. */
async function following(firstAnswer: Uint8Array | undefined) {
  await using stack = new AsyncDisposableStack();
  const guard: Bus = stack.use(await connectBus({ servers: [nats.url], name: "guard", log }));
  const state = { answer: firstAnswer, asked: 0 };
  stack.use(
    guard.subscribe(patternOf("epochGet"), ({ reply }) => {
      state.asked += 1;
      if (reply !== undefined && state.answer !== undefined) guard.publish(reply, state.answer);
    }),
  );
  await guard.flush();
  const bus = stack.use(await connectBus({ servers: [nats.url], name: "sealer", log }));
  const readiness = createReadiness();
  const epochs = stack.use(new EpochFollower({ bus, env: "dev", clock: systemClock, log, readiness }));
  await bus.flush();
  const held = stack.move();
  return {
    epochs,
    readiness,
    state,
    text: () => Buffer.from(epochs.current() ?? []).toString("base64url"),
    broadcast: async (data: Uint8Array) => {
      guard.publish(SUBJECTS.epoch, data);
      await guard.flush();
      await bus.flush();
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

test("the epoch is requested at start, and makes the process ready", async () => {
  await using setup = await following(record(FIRST, 5));
  await eventually(() => setup.readiness.ready);
  expect(setup.text()).toBe(FIRST);
});

test("without an answer no epoch is known, and the process is not ready", async () => {
  await using setup = await following(undefined);
  expect(setup.epochs.current()).toBeUndefined();
  expect(setup.readiness.ready).toBe(false);
});

test("a broadcast applies only with a higher generation", async () => {
  await using setup = await following(record(FIRST, 5));
  await eventually(() => setup.text() === FIRST);
  await setup.broadcast(record(SECOND, 5));
  await setup.broadcast(record(SECOND, 4));
  expect(setup.text()).toBe(FIRST);
  await setup.broadcast(record(SECOND, 6));
  expect(setup.text()).toBe(SECOND);
});

test("the answer to an own request applies whatever its generation", async () => {
  await using setup = await following(record(FIRST, 5));
  await eventually(() => setup.text() === FIRST);
  setup.state.answer = record(SECOND, 1);
  expect(await setup.epochs.ask()).toBe(true);
  expect(setup.text()).toBe(SECOND);
});

test("calls while a request is open share the next one, not the open one", async () => {
  await using setup = await following(record(FIRST, 5));
  await eventually(() => setup.text() === FIRST);
  const asked = setup.state.asked;
  await Promise.all(Array.from({ length: 50 }, () => setup.epochs.ask()));
  expect(setup.state.asked - asked).toBe(2);
});

test("after two seconds without a broadcast the guards are asked", async () => {
  await using setup = await following(record(FIRST, 5));
  await eventually(() => setup.text() === FIRST);
  setup.state.answer = record(SECOND, 6);
  await eventually(() => setup.text() === SECOND, { timeoutMs: 4000 });
});

test.each([
  ["malformed", Buffer.from("{}")],
  ["of another environment", record(SECOND, 9, "prod")],
  ["too large", Buffer.alloc(4096, 0x20)],
])("a broadcast that is %s changes nothing", async (_case, data) => {
  await using setup = await following(record(FIRST, 5));
  await eventually(() => setup.text() === FIRST);
  await setup.broadcast(data);
  expect(setup.text()).toBe(FIRST);
});
