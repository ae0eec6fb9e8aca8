import { setTimeout as delay } from "node:timers/promises";
import { connectBus, connectStore } from "@scbe/bus";
import { subjectOf, writeMessage } from "@scbe/contracts";
import { collectLogs, eventually, startSecuredNats } from "@scbe/testkit";
import { expect, test } from "vitest";
import { auditOn, recordOf } from "./audit-on.ts";
import { PROVIDERS } from "./core-controller.ts";
import { launchController } from "./core-process.ts";
import { connectVerifier } from "./core-verifier.ts";

const { log } = collectLogs();
const ENTRIES = 300;
const OPEN = 512;
const FLOOD_MS = 4000;
const QUESTION = writeMessage({ v: 1, ask: "batch", from: 1, last: ENTRIES });
/** Batches that one user may read at once, and in each second. */
const BATCHES = 8;

test("512 open requests of one user for batches of the audit are answered at their own rate: the API answers, and leases are granted", async () => {
  await using nats = await startSecuredNats({ providers: PROVIDERS });
  {
    await using store = await connectStore({ ...nats.storeTransport("control"), log });
    const { audit, count } = auditOn(store);
    for (let n = 1; n <= ENTRIES; n += 1) audit.append({ ...recordOf(n), reason: "r".repeat(490) });
    await eventually(async () => (await count("stored")) === ENTRIES, { timeoutMs: 20_000 });
    await audit[Symbol.asyncDispose]();
  }
  await using controller = await launchController(nats);
  await controller.ready();
  await using verifier = await connectVerifier(nats, "gateway-openai");
  await verifier.lease();
  await using operator = await connectBus({ ...nats.transport("operator"), name: "operator", log });

  const began = performance.now();
  const until = began + FLOOD_MS;
  let batches = 0;
  const keepAsking = async (): Promise<void> => {
    while (performance.now() < until) {
      const asked = operator.request(subjectOf("auditRead", { user: "operator" }), QUESTION, {
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

  while (performance.now() < until) {
    expect(await controller.kill()).toBe(200);
    await verifier.ask();
    await delay(200);
  }
  await flooding;
  const seconds = (performance.now() - began) / 1000;
  expect(batches).toBeGreaterThan(0);
  expect(batches).toBeLessThanOrEqual(BATCHES * (seconds + 2));
}, 90_000);
