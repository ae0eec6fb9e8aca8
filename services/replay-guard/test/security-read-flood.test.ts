import { setTimeout as delay } from "node:timers/promises";
import { connectBus, connectStore, ownerStream } from "@scbe/bus";
import { STREAMS, subjectOf, writeMessage } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import { startSecuredNats } from "@scbe/testkit";
import { expect, test } from "vitest";
import { startOne } from "./kit.ts";

const log = createLogger({ name: "test", level: "silent" });
const STORED = 300;
const OPEN = 512;
const FLOOD_MS = 3000;
const REQUEST = writeMessage({ v: 1, ask: "batch", from: 1, last: STORED });
/** The batches that one user may read at once, and in each second. */
const BATCHES = 8;

test("512 open read requests of one user are answered at its rate, while admissions continue and another user reads all reports", async () => {
  await using nats = await startSecuredNats();
  await using setup = await startOne(nats, {});
  await using store = await connectStore({ ...nats.storeTransport("replay"), log });
  const reports = Array.from({ length: STORED }, (_, n) => `report ${n}`.padEnd(400, "."));
  const subject = subjectOf("nonceReuse", { provider: "openai" });
  await Promise.all(
    reports.map((id) => store.publishAcknowledged(subject, Buffer.from(id), { id, timeoutMs: 5000 })),
  );
  const connect = (name: string) => connectBus({ ...nats.transport(name), name, log });
  await using operator = await connect("operator");
  await using controller = await connect("rollback-controller");

  const began = performance.now();
  const until = began + FLOOD_MS;
  let batches = 0;
  const keepReading = async (): Promise<void> => {
    while (performance.now() < until) {
      const answer = operator.request(subjectOf("securityRead", { user: "operator" }), REQUEST, {
        timeoutMs: FLOOD_MS,
      });
      await answer.then(
        () => {
          batches += 1;
        },
        () => delay(50),
      );
    }
  };
  const flooding = Promise.all(Array.from({ length: OPEN }, keepReading));

  while (performance.now() < until) {
    expect(await setup.opener.admit([setup.opener.item()])).toEqual(["fresh"]);
    await delay(50);
  }

  const own = ownerStream(controller, subjectOf("securityRead", { user: "rollback-controller" }));
  const first = await own.batch(1, STORED);
  const rest = await own.batch(first.length + 1, STORED);
  expect(first.length + rest.length).toBe(STORED);
  await flooding;
  const seconds = (performance.now() - began) / 1000;
  expect(batches).toBeGreaterThan(0);
  expect(batches).toBeLessThanOrEqual(BATCHES * (seconds + 2));
  expect(await setup.guard.metric("scbe_endpoint_busy_total", { endpoint: "security-read" })).toBeGreaterThan(
    0,
  );
  expect((await store.stream(STREAMS.security).bounds()).last).toBe(STORED);
}, 60_000);
