import { setTimeout as delay } from "node:timers/promises";
import { ScbeError } from "@scbe/contracts";
import { collectLogs, eventually, type NatsServer, natsVersions, startNats } from "@scbe/testkit";
import { connect as connectRaw, type Msg } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Bus, BusService, EndpointDefinition } from "../bus.ts";
import { connectBus } from "./connect-bus.ts";
import { Endpoint } from "./endpoint.ts";

const NOTHING = new Uint8Array(0);
describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("a service", () => {
    let nats: NatsServer;
    let logs = collectLogs();
    let server: Bus;
    let asker: Bus;

    beforeAll(async () => {
      nats = await startNats({ program });
    });
    beforeEach(async () => {
      logs = collectLogs();
      const connect = (name: string) =>
        connectBus({ servers: [nats.url], name, log: logs.log, drainTimeoutMs: 3000 });
      server = await connect("server");
      asker = await connect("asker");
    });
    afterEach(async () => {
      await server[Symbol.asyncDispose]();
      await asker[Symbol.asyncDispose]();
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
      asker.request(subject, data, { timeoutMs: 5000 });

    describe("answers", () => {
      it("hands on the provider, the data, the headers and the time of arrival", async () => {
        const seen: unknown[] = [];
        await serve({
          name: "request",
          subject: "svc.request.*",
          tokens: ["provider"],
          handler: (request) => {
            const age = performance.now() - request.arrivedAt;
            seen.push([
              request.provider,
              request.header("scbe-model"),
              age >= 0 && age < 1000,
              request.signal.aborted,
            ]);
            return { data: request.data, headers: { "scbe-status": "opened" } };
          },
        });
        const answer = await asker.request("svc.request.openai", Buffer.from("body"), {
          timeoutMs: 1000,
          headers: { "scbe-model": "gpt" },
        });
        expect(seen).toEqual([["openai", "gpt", true, false]]);
        expect(Buffer.from(answer.data).toString()).toBe("body");
        expect(answer.header("scbe-status")).toBe("opened");
      });

      it("can come early, and may stay away altogether", async () => {
        await serve({
          name: "early",
          subject: "svc.early",
          handler: async (request) => {
            request.respondEarly({ data: Buffer.from("accepted") });
            return undefined;
          },
        });
        const heard: string[] = [];
        asker.exchange("svc.early", NOTHING, {
          onAnswer: (m) => void heard.push(Buffer.from(m.data).toString()),
          onFailure: () => undefined,
        });
        await eventually(() => heard.length > 0);
        await server.flush();
        expect(heard).toEqual(["accepted"]);
      });

      it("is a service error with the code and the public text when a handler fails, and the cause stays in the log", async () => {
        const cause = new Error("the inner cause");
        await serve(
          {
            name: "sync",
            subject: "svc.sync",
            handler: () => {
              throw new ScbeError("NO_KEYS", "no key for x", { cause });
            },
          },
          {
            name: "async",
            subject: "svc.async",
            handler: async () => {
              throw new ScbeError("BUSY", "not now");
            },
          },
          {
            name: "defect",
            subject: "svc.defect",
            handler: async () => {
              throw new TypeError("the inner cause");
            },
          },
        );
        await expect(ask("svc.sync")).rejects.toMatchObject({ code: "NO_KEYS", message: "no key for x" });
        await expect(ask("svc.async")).rejects.toMatchObject({ code: "BUSY", message: "not now" });
        await expect(ask("svc.defect")).rejects.toMatchObject({
          code: "INTERNAL",
          message: "internal error",
        });
        expect(logs.text).toContain("the inner cause");

        const raw = await connectRaw({ servers: nats.url });
        const answer = await raw.request("svc.sync");
        expect(answer.data.length).toBe(0);
        expect(Object.fromEntries([...(answer.headers ?? [])])).toEqual({
          "Nats-Service-Error": ["no key for x"],
          "Nats-Service-Error-Code": ["503"],
          "scbe-error": ["NO_KEYS"],
        });
        await raw.close();
      });

      it("is a service error when the answer itself is too long", async () => {
        await serve({
          name: "long",
          subject: "svc.long",
          handler: () => ({ data: new Uint8Array(server.maxPayload + 1) }),
        });
        await expect(ask("svc.long")).rejects.toMatchObject({ code: "TOO_LARGE" });
      });

      it("is BUSY above the limit on concurrent work, or what the endpoint says then", async () => {
        const release = Promise.withResolvers<void>();
        const handler = async () => {
          await release.promise;
          return { data: Buffer.from("done") };
        };
        const service = await serve(
          { name: "plain", subject: "svc.plain", concurrency: 1, handler },
          {
            name: "polite",
            subject: "svc.polite",
            concurrency: 1,
            handler,
            onBusy: () => ({ data: Buffer.from("busy") }),
          },
        );
        const first = [ask("svc.plain"), ask("svc.polite")];
        await eventually(() => service.inFlight === 2);
        await expect(ask("svc.plain")).rejects.toMatchObject({ code: "BUSY" });
        expect(Buffer.from((await ask("svc.polite")).data).toString()).toBe("busy");
        release.resolve();
        await Promise.all(first);
        expect(service.inFlight).toBe(0);
      });
    });

    it("gives each provider places of its own, so that a flood for one turns nobody else away", async () => {
      const release = Promise.withResolvers<void>();
      const handler = async () => {
        await release.promise;
        return { data: Buffer.from("done") };
      };
      const service = await serve({
        name: "shared",
        subject: "svc.shared.*",
        tokens: ["provider"],
        concurrency: 2,
        handler,
      });
      const flood = Array.from({ length: 5 }, () => ask("svc.shared.openai"));
      const turnedAway = Promise.allSettled(flood);
      await eventually(() => service.inFlight === 2);
      const other = ask("svc.shared.anthropic");
      await eventually(() => service.inFlight === 3);
      release.resolve();
      expect(Buffer.from((await other).data).toString()).toBe("done");
      const outcomes = await turnedAway;
      expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(3);
      await Promise.all([ask("svc.shared.openai"), ask("svc.shared.openai")]);
      expect(service.inFlight).toBe(0);
    });

    it("gives each user places and a rate of its own where it is told to, so that a flood of one turns no other away", async () => {
      const release = Promise.withResolvers<void>();
      const handler = async () => {
        await release.promise;
        return { data: Buffer.from("done") };
      };
      const common = { tokens: ["user"], placesOf: "user" } as const;
      const slow = { perSecond: 0.001, burst: 2 };
      const service = await serve(
        { name: "places", subject: "svc.places.*", concurrency: 2, handler, ...common },
        {
          name: "rate",
          subject: "svc.rate.*",
          userRate: slow,
          handler: () => ({ data: NOTHING }),
          ...common,
        },
      );
      const connect = async (name: string) => {
        const bus = await connectBus({ servers: [nats.url], name, log: logs.log });
        return (subject: string) => bus.request(`${subject}.${name}`, NOTHING, { timeoutMs: 1000 });
      };
      const [flooding, other] = [await connect("flooding"), await connect("other")];
      const flood = Promise.allSettled(Array.from({ length: 5 }, () => flooding("svc.places")));
      await eventually(() => service.inFlight === 2);
      const asked = other("svc.places");
      await eventually(() => service.inFlight === 3);
      release.resolve();
      await asked;
      expect((await flood).filter(({ status }) => status === "rejected")).toHaveLength(3);
      const rated = await Promise.allSettled(Array.from({ length: 5 }, () => flooding("svc.rate")));
      const outcomes = rated.map((it) => (it.status === "fulfilled" ? "answered" : it.reason.code));
      expect(outcomes).toEqual(["answered", "answered", "BUSY", "BUSY", "TIMEOUT"]);
      await expect(other("svc.rate")).resolves.toBeDefined();
    });

    describe("who is let in", () => {
      it.each([
        ["another user's inbox", "_INBOX.orchestrator.other.x"],
        ["an inbox of a role that may not ask", "_INBOX.keyring.asking.x"],
        ["an inbox of no role", "_INBOX.asking.x"],
        ["a longer user's inbox", "_INBOX.orchestrator.asking2.x"],
        ["an inbox as clients have it by default", "_INBOX.abcdefgh"],
        ["what only begins like an inbox", "_INBOX_orchestrator.asking.x"],
        ["a stored key", "$KV.SCBE_KEYRING.ring"],
        ["a broadcast", "scbe.v1.control.state"],
        ["nothing", ""],
      ])("drops a request whose reply subject is %s", (_name, reply) => {
        const answered: string[] = [];
        const endpoint = new Endpoint(
          {
            name: "e",
            subject: "svc.request.*.*",
            tokens: ["user", "provider"],
            askers: ["orchestrator", "gateway"],
            handler: ({ data }) => ({ data }),
          },
          {
            log: logs.log,
            queue: "test",
            signal: AbortSignal.abort(),
            respond: (to) => void answered.push(to),
            turnedAway: () => undefined,
            heldDropped: () => undefined,
          },
        );
        const message = (to: string) =>
          ({ subject: "svc.request.asking.openai", reply: to, data: NOTHING }) as Msg;
        endpoint.receive(message(reply));
        endpoint.receive(message("_INBOX.orchestrator.asking.x"));
        expect(answered).toEqual(["_INBOX.orchestrator.asking.x"]);
      });

      it("drops a request whose reply subject is no inbox, so that nobody publishes by this service's rights", async () => {
        let handled = 0;
        await serve({
          name: "victim",
          subject: "svc.victim",
          handler: () => {
            handled += 1;
            return { data: NOTHING };
          },
        });
        const raw = await connectRaw({ servers: nats.url });
        const forged: Msg[] = [];
        raw.subscribe("svc.control", { callback: (_error, message) => void forged.push(message) });
        raw.publish("svc.victim", NOTHING, { reply: "svc.control" });
        raw.publish("svc.victim", NOTHING);
        await raw.flush();
        await ask("svc.victim");
        await raw.flush();
        expect(handled).toBe(1);
        expect(forged).toEqual([]);
        await raw.close();
      });

      it("drops what JetStream was made to deliver into its subject", async () => {
        let handled = 0;
        await serve({
          name: "deputy",
          subject: "svc.deputy.openai",
          handler: () => {
            handled += 1;
            return { data: NOTHING };
          },
        });
        const raw = await connectRaw({ servers: nats.url });
        const manager = await raw.jetstreamManager();
        await manager.streams.add({ name: "EVIL", subjects: ["evil.>"] });
        await raw.jetstream().publish("evil.thing");
        await manager.consumers.add("EVIL", {
          deliver_subject: "svc.deputy.openai",
          deliver_group: "workers",
          durable_name: "evil",
        });
        await eventually(
          async () => (await manager.consumers.info("EVIL", "evil")).delivered.stream_seq === 1,
        );
        await ask("svc.deputy.openai");
        expect(handled).toBe(1);
        await raw.close();
      });

      it.each([
        ["another subject", "svc.other.openai"],
        ["a token too many", "svc.request.openai.more"],
        ["an empty provider", "svc.request."],
        ["a provider that is no name", "svc.request.OpenAI"],
        ["the prefix alone", "svc.request"],
      ])("drops a message whose subject is %s", (_name, subject) => {
        const received: string[] = [];
        const endpoint = new Endpoint(
          {
            name: "e",
            subject: "svc.request.*",
            tokens: ["provider"],
            handler: (request) => {
              received.push(request.provider);
              return undefined;
            },
          },
          {
            log: logs.log,
            queue: "test",
            signal: AbortSignal.abort(),
            respond: () => undefined,
            turnedAway: () => undefined,
            heldDropped: () => undefined,
          },
        );
        const message = (to: string) => ({ subject: to, reply: "_INBOX.a.b.c", data: NOTHING }) as Msg;
        endpoint.receive(message(subject));
        endpoint.receive(message("svc.request.openai"));
        expect(received).toEqual(["openai"]);
      });
    });

    describe("coming and going", () => {
      const echo: EndpointDefinition = {
        name: "echo",
        subject: "svc.echo",
        handler: (request) => ({ data: request.data }),
      };

      it("is announced with name, version, description and endpoints, and is gone after leaving", async () => {
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

      it("leaves so that callers hear NO_RESPONDERS at once, and joins again", async () => {
        const service = await serve(echo);
        await ask("svc.echo");
        await service.leave();
        expect(service.joined).toBe(false);
        await expect(ask("svc.echo")).rejects.toMatchObject({ code: "NO_RESPONDERS" });
        await join(service);
        await expect(ask("svc.echo")).resolves.toBeDefined();
      });

      it("is not described anywhere but in an operator's inbox", async () => {
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

      it("is in its queue group once, however often it was told to join", async () => {
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

      it("ends joined or left as it was told last, however fast it was told", async () => {
        const service = await serve(echo);
        for (let times = 0; times < 10; times += 1) {
          void service.leave();
          service.join();
        }
        void service.leave();
        await join(service);
        await expect(ask("svc.echo")).resolves.toBeDefined();
      });

      it("answers 20 of 20 in flight when it drains, and none after", async () => {
        const service = await serve({
          name: "slow",
          subject: "svc.slow",
          handler: async (request) => {
            await delay(200);
            return { data: request.data };
          },
        });
        const asked = Array.from({ length: 20 }, () => ask("svc.slow"));
        await eventually(() => service.inFlight === 20);
        await server[Symbol.asyncDispose]();
        expect(await Promise.all(asked)).toHaveLength(20);
        await expect(ask("svc.slow")).rejects.toMatchObject({ code: "NO_RESPONDERS" });
      });

      it("aborts what does not finish within the time to drain", async () => {
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

      it("serves again after the server was killed and started anew", async () => {
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
        const again = await connectBus({ servers: [own.url], name: "asker", log: logs.log });
        await expect(again.request("svc.echo", NOTHING, { timeoutMs: 2000 })).resolves.toBeDefined();
        await again[Symbol.asyncDispose]();
        await bus[Symbol.asyncDispose]();
      });
    });
  });
});
