import { setTimeout as delay } from "node:timers/promises";
import { STREAMS, subjectOf, writeMessage } from "@scbe/contracts";
import { connectBus, connectStore, createLogger, ownerStream } from "@scbe/service-kit";
import { startSecuredNats } from "@scbe/testkit";
import { expect, test } from "vitest";
import { startOne } from "./kit.ts";

const log = createLogger({ name: "test", level: "silent" });
const STORED = 300;
const OPEN = 512;
const FLOOD_MS = 3000;
const QUESTION = writeMessage({ v: 1, ask: "batch", from: 1, last: STORED });
/** What is read in that time at most: 8 batches at once, 8 in each second, and those in a second of delay. */
const BATCHES_MAX = 8 + 8 * (FLOOD_MS / 1000 + 1);

test("512 open questions of one user for batches of reports are answered at their own rate: admissions go on, and another user reads all reports", async () => {
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

  const until = performance.now() + FLOOD_MS;
  let batches = 0;
  const keepAsking = async (): Promise<void> => {
    while (performance.now() < until) {
      const asked = operator.request(subjectOf("securityRead", { user: "operator" }), QUESTION, {
        timeoutMs: FLOOD_MS,
      });
      await asked.then(
        () => {
          batches += 1;
        },
        () => delay(50),
      );
    }
  };
  const flooding = Promise.all(Array.from({ length: OPEN }, keepAsking));

  const tookMs: number[] = [];
  while (performance.now() < until) {
    const asked = performance.now();
    expect(await setup.opener.admit([setup.opener.item()])).toEqual(["fresh"]);
    tookMs.push(performance.now() - asked);
    await delay(50);
  }
  tookMs.sort((a, b) => a - b);
  expect(tookMs[Math.floor(tookMs.length * 0.9)]).toBeLessThan(250);

  const own = ownerStream(controller, subjectOf("securityRead", { user: "rollback-controller" }));
  const first = await own.batch(1, STORED);
  const rest = await own.batch(first.length + 1, STORED);
  expect(first.length + rest.length).toBe(STORED);
  await flooding;
  expect(batches).toBeGreaterThan(0);
  expect(batches).toBeLessThanOrEqual(BATCHES_MAX);
  expect(await setup.guard.metric("scbe_endpoint_busy_total", { endpoint: "security-read" })).toBeGreaterThan(
    0,
  );
  expect((await store.stream(STREAMS.security).bounds()).last).toBe(STORED);
}, 60_000);
