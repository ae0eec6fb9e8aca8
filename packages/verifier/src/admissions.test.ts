import { randomBytes } from "node:crypto";
import { connectBus } from "@scbe/bus";
import { type AdmitItem, decodeAdmitBatch, encodeVerdicts, patternOf, subjectOf } from "@scbe/contracts";
import { systemClock } from "@scbe/runtime";
import { createLogger } from "@scbe/service";
import { eventually, type NatsServer, startNats } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admissions } from "./admissions.ts";

const log = createLogger({ name: "test", level: "silent" });
let nats: NatsServer;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats[Symbol.asyncDispose]());

function item(counter = 1): AdmitItem {
  return {
    epoch: randomBytes(16),
    sessionId: randomBytes(32),
    counter,
    replayNonce: randomBytes(24),
    tag: randomBytes(16),
    attempt: randomBytes(16),
  };
}

/** A guard that records its requests; `answer` makes its answers. */
async function guarded(
  answer: (items: AdmitItem[]) => Uint8Array | undefined = (items) =>
    encodeVerdicts(items.map(() => "fresh")),
) {
  await using stack = new AsyncDisposableStack();
  const guard = stack.use(await connectBus({ servers: [nats.url], name: "guard", log }));
  const bus = stack.use(await connectBus({ servers: [nats.url], name: "opener", log }));
  const batches: AdmitItem[][] = [];
  const providers: string[] = [];
  stack.use(
    guard.subscribe(patternOf("admit"), ({ data, subject, reply }) => {
      const items = decodeAdmitBatch(data);
      batches.push(items);
      providers.push(subject);
      const reading = answer(items);
      if (reading !== undefined && reply !== undefined) guard.publish(reply, reading);
    }),
  );
  await guard.flush();
  const admissions = new Admissions({ bus, clock: systemClock, log, timeoutMs: 600 });
  const held = stack.move();
  return { admissions, batches, providers, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

test("admits of one turn travel as one request for each provider, and each gets its own verdict", async () => {
  await using setup = await guarded((items) =>
    encodeVerdicts(items.map(({ counter }) => (counter % 2 === 0 ? "replay" : "fresh"))),
  );
  const verdicts = await Promise.all([
    ...[1, 2, 3, 4].map((counter) => setup.admissions.admit(item(counter), "openai")),
    setup.admissions.admit(item(5), "xai"),
  ]);
  expect(verdicts).toEqual(["fresh", "replay", "fresh", "replay", "fresh"]);
  expect(setup.batches.map((batch) => batch.length)).toEqual([4, 1]);
  expect(setup.providers).toEqual(
    ["openai", "xai"].map((provider) => subjectOf("admit", { user: "opener", provider })),
  );
});

test("a turn with more items than one batch travels as several", async () => {
  await using setup = await guarded();
  const verdicts = await Promise.all(
    Array.from({ length: 600 }, (_, index) => setup.admissions.admit(item(index + 1), "openai")),
  );
  expect(new Set(verdicts)).toEqual(new Set(["fresh"]));
  expect(setup.batches.map((batch) => batch.length)).toEqual([256, 256, 88]);
});

test("a request that the guard swallowed is sent again, with the same attempts", async () => {
  let asked = 0;
  await using setup = await guarded((items) => {
    asked += 1;
    return asked === 1 ? undefined : encodeVerdicts(items.map(() => "fresh"));
  });
  expect(await setup.admissions.admit(item(), "openai")).toBe("fresh");
  expect(setup.batches).toHaveLength(2);
  expect(setup.batches[0]).toEqual(setup.batches[1]);
});

test("while the group answers other requests, a swallowed one is sent many times; while it answers none, a few times", async () => {
  let isSlow = false;
  await using setup = await guarded((items) =>
    isSlow || items[0]?.counter === 7 ? undefined : encodeVerdicts(items.map(() => "fresh")),
  );
  const asked = (counter: number): number =>
    setup.batches.filter((batch) => batch[0]?.counter === counter).length;
  const swallowed = setup.admissions.admit(item(7), "openai");
  await eventually(() => asked(7) === 1);
  let isOver = false;
  const others = (async () => {
    while (!isOver) expect(await setup.admissions.admit(item(1), "openai")).toBe("fresh");
  })();
  expect(await swallowed).toBe("refused");
  isOver = true;
  await others;
  expect(asked(7)).toBeGreaterThanOrEqual(10);
  expect(asked(7)).toBeLessThanOrEqual(16);
  isSlow = true;
  expect(await setup.admissions.admit(item(9), "openai")).toBe("refused");
  expect(await setup.admissions.admit(item(8), "openai")).toBe("refused");
  expect(asked(8)).toBeLessThanOrEqual(5);
});

test("a group that answers slowly gets a request at most three times", async () => {
  await using guard = await connectBus({ servers: [nats.url], name: "guard", log });
  await using bus = await connectBus({ servers: [nats.url], name: "opener", log });
  const asked = new Map<string, number>();
  guard.subscribe(patternOf("admit", { provider: "groq" }), ({ data, reply }) => {
    const key = Buffer.from(data).toString("hex");
    asked.set(key, (asked.get(key) ?? 0) + 1);
    if (asked.get(key) === 1 && reply !== undefined)
      setTimeout(() => guard.publish(reply, encodeVerdicts(["fresh"])), 200);
  });
  await guard.flush();
  const admissions = new Admissions({ bus, clock: systemClock, log, timeoutMs: 600 });
  for (let n = 0; n < 6; n += 1) expect(await admissions.admit(item(), "groq")).toBe("fresh");
  expect([...asked.values()].length).toBe(6);
  expect(Math.max(...asked.values())).toBeLessThanOrEqual(3);
});

test("without a verdict in time a request is refused", async () => {
  await using setup = await guarded(() => undefined);
  const started = performance.now();
  expect(await setup.admissions.admit(item(), "openai")).toBe("refused");
  expect(performance.now() - started).toBeGreaterThan(500);
  expect(performance.now() - started).toBeLessThan(3000);
});

test("an answer with another number of verdicts refuses all items", async () => {
  await using setup = await guarded(() => encodeVerdicts(["fresh"]));
  const both = [setup.admissions.admit(item(), "openai"), setup.admissions.admit(item(), "openai")];
  expect(await Promise.all(both)).toEqual(["refused", "refused"]);
});

test("a guard that joins the group in time still decides", async () => {
  await using bus = await connectBus({ servers: [nats.url], name: "opener", log });
  const admissions = new Admissions({ bus, clock: systemClock, log, timeoutMs: 600 });
  const verdict = admissions.admit(item(), "google");
  await new Promise((resolve) => setTimeout(resolve, 100));
  await using guard = await connectBus({ servers: [nats.url], name: "guard", log });
  guard.subscribe(patternOf("admit", { provider: "google" }), ({ reply }) => {
    if (reply !== undefined) guard.publish(reply, encodeVerdicts(["fresh"]));
  });
  expect(await verdict).toBe("fresh");
});
