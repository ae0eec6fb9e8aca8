import { ScbeError } from "@scbe/contracts";
import { collectLogs, eventually, type NatsServer, natsVersions, startNats } from "@scbe/testkit";
import { connect as connectRaw, type Msg } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Bus, BusService, EndpointDefinition } from "../bus.ts";
import { connectBus } from "./connect.ts";
import { Endpoint } from "./endpoint.ts";

const NOTHING = new Uint8Array(0);
describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("an endpoint", () => {
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

    describe("answers", () => {
      it("passes on the provider, the data, the headers and the time of arrival", async () => {
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
        const answer = await requester.request("svc.request.openai", Buffer.from("body"), {
          timeoutMs: 1000,
          headers: { "scbe-model": "gpt" },
        });
        expect(seen).toEqual([["openai", "gpt", true, false]]);
        expect(Buffer.from(answer.data).toString()).toBe("body");
        expect(answer.header("scbe-status")).toBe("opened");
      });

      it("can be early, and can be missing altogether", async () => {
        await serve({
          name: "early",
          subject: "svc.early",
          handler: async (request) => {
            request.respondEarly({ data: Buffer.from("accepted") });
            return undefined;
          },
        });
        const heard: string[] = [];
        requester.exchange("svc.early", NOTHING, {
          onAnswer: (m) => void heard.push(Buffer.from(m.data).toString()),
          onFailure: () => undefined,
        });
        await eventually(() => heard.length > 0);
        await server.flush();
        expect(heard).toEqual(["accepted"]);
      });

      it("is a service error with the code and the public text if a handler fails, and only the log has the cause", async () => {
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

      it("is a service error if the answer itself is too long", async () => {
        await serve({
          name: "long",
          subject: "svc.long",
          handler: () => ({ data: new Uint8Array(server.maxPayload + 1) }),
        });
        await expect(ask("svc.long")).rejects.toMatchObject({ code: "TOO_LARGE" });
      });

      it("is BUSY above the limit on concurrent handlers, or the endpoint's own answer", async () => {
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

    it("gives each provider places of its own, so that a flood for one turns away no request for another", async () => {
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

    it("gives each user places and a rate of its own if it is configured so, so that a flood of one turns no other away", async () => {
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
      const request = other("svc.places");
      await eventually(() => service.inFlight === 3);
      release.resolve();
      await request;
      expect((await flood).filter(({ status }) => status === "rejected")).toHaveLength(3);
      const rated = await Promise.allSettled(Array.from({ length: 5 }, () => flooding("svc.rate")));
      const outcomes = rated.map((it) => (it.status === "fulfilled" ? "answered" : it.reason.code));
      expect(outcomes).toEqual(["answered", "answered", "BUSY", "BUSY", "TIMEOUT"]);
      await expect(other("svc.rate")).resolves.toBeDefined();
    });

    describe("admission", () => {
      it.each([
        ["another user's inbox", "_INBOX.orchestrator.other.x"],
        ["an inbox of a role that may not call", "_INBOX.keyring.asking.x"],
        ["an inbox of no role", "_INBOX.asking.x"],
        ["a longer user's inbox", "_INBOX.orchestrator.asking2.x"],
        ["an inbox as clients have it by default", "_INBOX.abcdefgh"],
        ["a subject that only begins like an inbox", "_INBOX_orchestrator.asking.x"],
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

      it("drops a request whose reply subject is not an inbox, so that no user publishes with this service's rights", async () => {
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

      it("drops what JetStream delivers to its subject for an attacker", async () => {
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
        ["a provider that is not a name", "svc.request.OpenAI"],
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
  });
});
