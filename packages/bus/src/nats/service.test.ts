import { setTimeout as delay } from "node:timers/promises";
import { ScbeError } from "@scbe/contracts";
import {
  collectLogs,
  createTestHost,
  eventually,
  type NatsServer,
  natsVersions,
  startNats,
} from "@scbe/testkit";
import { connect as connectRaw } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test } from "vitest";
import type { Bus, BusService, EndpointDefinition } from "../bus.ts";
import { connectBus } from "./connect.ts";

const NOTHING = new Uint8Array(0);
describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("a service", () => {
    let nats: NatsServer;
    let logs = collectLogs();
    let server: Bus;
    let requester: Bus;

    beforeAll(async () => {
      nats = await startNats({ program });
    });
    beforeEach(async () => {
      logs = collectLogs();
      const connect = (name: string) =>
        connectBus({ servers: [nats.url], name, log: logs.log, drainTimeoutMs: 3000 });
      server = await connect("server");
      requester = await connect("requester");
    });
    afterEach(async () => {
      await server[Symbol.asyncDispose]();
      await requester[Symbol.asyncDispose]();
    });
    afterAll(() => nats[Symbol.asyncDispose]());

    async function serve(...endpoints: EndpointDefinition[]): Promise<BusService> {
      const definition = {
        name: "tested",
        version: "1.2.3",
        description: "a service under test",
        queue: "workers",
      };
      const service = server.service({ ...definition, endpoints });
      await join(service);
      return service;
    }

    async function join(service: BusService): Promise<void> {
      await service.join();
      expect(service.joined).toBe(true);
      await server.flush();
    }

    const ask = (subject: string, data: Uint8Array = NOTHING) =>
      requester.request(subject, data, { timeoutMs: 5000 });

    describe("coming and going", () => {
      const echo: EndpointDefinition = {
        name: "echo",
        subject: "svc.echo",
        handler: (request) => ({ data: request.data }),
      };

      it("is announced with name, version, description and endpoints until it leaves", async () => {
        const service = await serve(echo);
        const raw = await connectRaw({ servers: nats.url, inboxPrefix: "_INBOX.operator.operator" });
        const info = async () => {
          const answers = raw.request("$SRV.INFO.tested", NOTHING, { timeout: 1000 });
          return answers.then(
            (answer) => answer.json(),
            (error) => error.code,
          );
        };
        expect(await info()).toMatchObject({
          name: "tested",
          version: "1.2.3",
          description: "a service under test",
          endpoints: [{ name: "echo", subject: "svc.echo", queue_group: "workers" }],
        });
        await service.leave();
        expect(await info()).toBe("503");
        await raw.close();
      });

      it("leaves so that callers get NO_RESPONDERS at once, and joins again", async () => {
        const service = await serve(echo);
        await ask("svc.echo");
        await service.leave();
        expect(service.joined).toBe(false);
        await expect(ask("svc.echo")).rejects.toMatchObject({ code: "NO_RESPONDERS" });
        await join(service);
        await expect(ask("svc.echo")).resolves.toBeDefined();
      });

      it("is described to an operator's inbox only", async () => {
        await serve(echo);
        const raw = await connectRaw({ servers: nats.url });
        const heard: string[] = [];
        raw.subscribe(">", { callback: (_error, { subject }) => void heard.push(subject) });
        const replies = [
          "svc.control",
          "_INBOX.orchestrator.a.b",
          "$KV.SCBE_KEYRING.ring",
          "_INBOX.operator.a.b",
        ];
        for (const verb of ["PING", "INFO", "STATS"])
          for (const reply of replies) raw.publish(`$SRV.${verb}`, NOTHING, { reply });
        await raw.flush();
        await eventually(() => heard.filter((subject) => subject === "_INBOX.operator.a.b").length === 3);
        expect(heard.filter((subject) => replies.slice(0, 3).includes(subject))).toEqual([]);
        await raw.close();
      });

      it("is in its queue group once, however often it joins", async () => {
        const service = await serve(echo);
        await Promise.all([service.join(), service.join()]);
        await server.flush();
        const present: string[] = [];
        const raw = await connectRaw({ servers: nats.url });
        raw.subscribe("_INBOX.operator.operator.a", {
          callback: (_error, message) => void present.push(message.string()),
        });
        raw.publish("$SRV.PING.tested", NOTHING, { reply: "_INBOX.operator.operator.a" });
        await raw.flush();
        await ask("svc.echo");
        await server.flush();
        await raw.flush();
        expect(present).toHaveLength(1);
        await raw.close();
      });

      it("ends in the state that was requested last, however fast requests follow each other", async () => {
        const service = await serve(echo);
        for (let times = 0; times < 10; times += 1) {
          void service.leave();
          service.join();
        }
        void service.leave();
        await join(service);
        await expect(ask("svc.echo")).resolves.toBeDefined();
      });

      it("answers 20 of 20 requests in flight when it drains, and none after", async () => {
        const service = await serve({
          name: "slow",
          subject: "svc.slow",
          handler: async (request) => {
            await delay(200);
            return { data: request.data };
          },
        });
        const requests = Array.from({ length: 20 }, () => ask("svc.slow"));
        await eventually(() => service.inFlight === 20);
        await server[Symbol.asyncDispose]();
        expect(await Promise.all(requests)).toHaveLength(20);
        await expect(ask("svc.slow")).rejects.toMatchObject({ code: "NO_RESPONDERS" });
      });

      it("aborts handlers that do not finish within the time to drain", async () => {
        const connect = () =>
          connectBus({ servers: [nats.url], name: "hasty", log: logs.log, drainTimeoutMs: 100 });
        const hasty = await connect();
        const service = hasty.service({
          name: "stuck",
          version: "1.0.0",
          description: "waits until it is aborted",
          queue: "q",
          endpoints: [
            {
              name: "stuck",
              subject: "svc.stuck",
              handler: (request) =>
                new Promise((_resolve, reject) => {
                  const stop = () => reject(new ScbeError("ABORTED", "the service is stopping"));
                  request.signal.addEventListener("abort", stop);
                }),
            },
          ],
        });
        await join(service);
        await hasty.flush();
        const refused = expect(ask("svc.stuck")).rejects.toMatchObject({ code: "ABORTED" });
        await eventually(() => service.inFlight === 1);
        await hasty[Symbol.asyncDispose]();
        await refused;
      });

      it("serves again after the server was killed and restarted", async () => {
        await using own = await startNats({ program });
        const bus = await connectBus({ servers: [own.url], name: "lasting", log: logs.log });
        const service = bus.service({
          name: "l",
          version: "1.0.0",
          description: "d",
          queue: "q",
          endpoints: [echo],
        });
        await join(service);
        await own.restart();
        await eventually(() => bus.connected);
        const again = await connectBus({ servers: [own.url], name: "requester", log: logs.log });
        await expect(again.request("svc.echo", NOTHING, { timeoutMs: 2000 })).resolves.toBeDefined();
        await again[Symbol.asyncDispose]();
        await bus[Symbol.asyncDispose]();
      });
    });
  });
});

test("the metrics of an endpoint count running handlers and refused requests, until its service is disposed of", async () => {
  await using nats = await startNats();
  await using host = await createTestHost({ transport: { servers: [nats.url] }, name: "tested" });
  const held = Promise.withResolvers<void>();
  const service = host.bus.service({
    name: "tested",
    version: "1.0.0",
    description: "runs until the test ends it",
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
  const scrape = async (): Promise<string[]> =>
    (await host.metrics.metrics()).split("\n").filter((line) => line.startsWith("scbe_endpoint_"));
  const lines = (busy: number, inFlight: number): string[] => [
    `scbe_endpoint_busy_total{endpoint="held"} ${busy}`,
    'scbe_endpoint_held_answers_dropped_total{endpoint="held"} 0',
    `scbe_endpoint_in_flight{endpoint="held"} ${inFlight}`,
    'scbe_endpoint_held_answers{endpoint="held"} 0',
  ];
  expect(await scrape()).toEqual(lines(0, 0));
  await service.join();
  await host.bus.flush();
  const ask = () => host.bus.request("test.held", new Uint8Array(0), { timeoutMs: 5000 });
  const first = ask();
  await eventually(async () => (await scrape()).join() === lines(0, 1).join());
  await expect(ask()).rejects.toMatchObject({ code: "BUSY" });
  expect(await scrape()).toEqual(lines(1, 1));
  held.resolve();
  await first;
  expect(await scrape()).toEqual(lines(1, 0));
  await service[Symbol.asyncDispose]();
  expect(await scrape()).toEqual(lines(1, 0).slice(0, 2));
});
