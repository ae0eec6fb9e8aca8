import { createTestHost, eventually, startNats } from "@scbe/testkit";
import { expect, test } from "vitest";

test("an endpoint shows what it has at work, and whom it turned away, until its service is gone", async () => {
  await using nats = await startNats();
  await using host = await createTestHost({ transport: { servers: [nats.url] }, name: "tested" });
  const held = Promise.withResolvers<void>();
  const service = host.bus.service({
    name: "tested",
    version: "1.0.0",
    description: "works for as long as it is told",
    queue: "tested",
    endpoints: [
      {
        name: "held",
        subject: "test.held",
        concurrency: 1,
        handler: async () => {
          await held.promise;
          return { data: new Uint8Array(0) };
        },
      },
    ],
  });
  const shown = async (): Promise<string[]> =>
    (await host.metrics.metrics()).split("\n").filter((line) => line.startsWith("scbe_endpoint_"));
  const lines = (busy: number, inFlight: number): string[] => [
    `scbe_endpoint_busy_total{endpoint="held"} ${busy}`,
    'scbe_endpoint_held_answers_dropped_total{endpoint="held"} 0',
    `scbe_endpoint_in_flight{endpoint="held"} ${inFlight}`,
    'scbe_endpoint_held_answers{endpoint="held"} 0',
  ];
  expect(await shown()).toEqual(lines(0, 0));
  await service.join();
  await host.bus.flush();
  const ask = () => host.bus.request("test.held", new Uint8Array(0), { timeoutMs: 5000 });
  const first = ask();
  await eventually(async () => (await shown()).join() === lines(0, 1).join());
  await expect(ask()).rejects.toMatchObject({ code: "BUSY" });
  expect(await shown()).toEqual(lines(1, 1));
  held.resolve();
  await first;
  expect(await shown()).toEqual(lines(1, 0));
  await service[Symbol.asyncDispose]();
  expect(await shown()).toEqual(lines(1, 0).slice(0, 2));
});
