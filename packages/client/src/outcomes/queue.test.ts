import { randomUUID } from "node:crypto";
import { OutcomeReport, type ReportedEvent, ScbeError } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import { eventually } from "@scbe/testkit";
import { expect, test } from "vitest";
import { OutcomeQueue } from "./queue.ts";

/** How many of the first reports fail. */
const REFUSALS = 7;

const eventOf = (provider: string, n: number): ReportedEvent => ({
  ...{ v: 1, kind: "outcome", result: "timeout", count: 1, latency_ms: 1 },
  ...{ id: randomUUID(), at: n, provider },
});

test("events that scorers do not store are sent again with the same ids, in order, until all are stored", async () => {
  const stored = new Map<string, string[]>();
  let sent = 0;
  const request = async (_subject: string, data: Uint8Array): Promise<never> => {
    sent += 1;
    if (sent <= REFUSALS) throw new ScbeError(sent % 2 === 1 ? "BUSY" : "TIMEOUT", "not now");
    for (const { provider, id } of OutcomeReport.parse(JSON.parse(Buffer.from(data).toString())).events)
      stored.set(provider, [...(stored.get(provider) ?? []), id]);
    return { data: Buffer.from('{"seq":1,"v":1}') } as never;
  };
  const dropped: number[] = [];
  await using queue = new OutcomeQueue({
    bus: { user: "orchestrator", request, onConnection: () => ({ [Symbol.dispose]: () => undefined }) },
    log: createLogger({ name: "test", level: "silent" }),
    onResult: (result, count) => {
      if (result === "dropped") dropped.push(count);
    },
    onIntegritySettled: () => undefined,
  });
  const events = ["openai", "xai"].map((provider) =>
    Array.from({ length: 600 }, (_, n) => eventOf(provider, n)),
  );
  for (const event of events.flat()) queue.add(event);
  await eventually(() => queue.waiting === 0, { timeoutMs: 20_000 });
  expect([stored.get("openai"), stored.get("xai")]).toEqual(events.map((of) => of.map(({ id }) => id)));
  expect(dropped).toEqual([]);
}, 30_000);
