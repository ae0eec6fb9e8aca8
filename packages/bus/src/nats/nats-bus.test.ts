import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import {
  collectLogs,
  eventually,
  type NatsOptions,
  type NatsServer,
  natsVersions,
  startNats as startAnyNats,
  startProcess,
} from "@scbe/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Bus, BusMessage } from "../bus.ts";
import { connectBus } from "./connect.ts";

const NOTHING = new Uint8Array(0);
const { log } = collectLogs();
const ECHO_SERVICE = fileURLToPath(new URL("../../../service/test/echo-service.ts", import.meta.url));

describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("the bus", () => {
    const startNats = (options: NatsOptions = {}): Promise<NatsServer> =>
      startAnyNats({ ...options, program });
    let nats: NatsServer;
    let open: Bus[] = [];

    async function connect(name: string, server: NatsServer = nats): Promise<Bus> {
      const bus = await connectBus({ servers: [server.url], name, log });
      open.push(bus);
      return bus;
    }

    /** Serves `subject` with the answers of `handler`. */
    async function serve(
      subject: string,
      handler: (request: BusMessage) => Uint8Array | undefined,
    ): Promise<Bus> {
      const bus = await connect("server");
      bus.subscribe(subject, (message) => {
        const answer = handler(message);
        if (message.reply !== undefined && answer !== undefined) bus.publish(message.reply, answer);
      });
      await bus.flush();
      return bus;
    }

    beforeAll(async () => {
      nats = await startNats();
    });
    afterEach(async () => {
      for (const bus of open) await bus[Symbol.asyncDispose]();
      open = [];
    });
    afterAll(() => nats[Symbol.asyncDispose]());

    describe("request", () => {
      it("resolves with the answer and its headers", async () => {
        const server = await connect("server");
        server.subscribe("t.r", (m) =>
          server.publish(m.reply ?? "", m.data, { "scbe-status": "sealed", "Scbe-Status": "x" }),
        );
        await server.flush();
        const body = randomBytes(100);
        const answer = await (await connect("requester")).request("t.r", body, { timeoutMs: 1000 });
        expect(Buffer.from(answer.data)).toEqual(body);
        expect(answer.header("scbe-status")).toBe("sealed");
        expect(answer.header("absent")).toBeUndefined();
      });

      it("fails at once if no service answers a subject", async () => {
        const requester = await connect("requester");
        await expect(requester.request("t.unserved", NOTHING, { timeoutMs: 60_000 })).rejects.toMatchObject({
          code: "NO_RESPONDERS",
          message: "no service answers t.unserved now",
        });
      });

      it("times out, and can be aborted, and leaves nothing open", async () => {
        await serve("t.silent", () => undefined);
        const requester = await connect("requester");
        await expect(requester.request("t.silent", NOTHING, { timeoutMs: 50 })).rejects.toMatchObject({
          code: "TIMEOUT",
        });
        const aborting = new AbortController();
        const open = requester.request("t.silent", NOTHING, { timeoutMs: 60_000, signal: aborting.signal });
        aborting.abort();
        await expect(open).rejects.toMatchObject({ code: "ABORTED" });
        await expect(
          requester.request("t.silent", NOTHING, { timeoutMs: 60_000, signal: AbortSignal.abort() }),
        ).rejects.toMatchObject({ code: "ABORTED" });
      });

      it("gives each of many concurrent requests its own answer", async () => {
        await serve("t.echo", (m) => m.data);
        const requester = await connect("requester");
        const requests = Array.from({ length: 500 }, (_, n) =>
          requester
            .request("t.echo", Buffer.from(String(n)), { timeoutMs: 5000 })
            .then((m) => Buffer.from(m.data).toString()),
        );
        expect(await Promise.all(requests)).toEqual(Array.from({ length: 500 }, (_, n) => String(n)));
      });

      it("receives answers in a private inbox that carries the connection's name", async () => {
        let reply: string | undefined;
        await serve("t.inbox", (m) => {
          reply = m.reply;
          return NOTHING;
        });
        await (await connect("requester-7")).request("t.inbox", NOTHING, { timeoutMs: 1000 });
        expect(reply).toMatch(/^_INBOX\.requester-7\.requester-7\.\w+\.[\w-]{16}\w+$/);
      });

      it("repeats requests to a queue group while a frozen member swallows its share, if configured so", async () => {
        await using frozen = startProcess(process.execPath, [ECHO_SERVICE], {
          env: { NATS_URL: nats.url, SCBE_OPS_PORT: "0", LOG_LEVEL: "info" },
        });
        await frozen.output(/"started"/);
        const healthy = await connect("server");
        for (let members = 0; members < 7; members += 1) {
          healthy.subscribe("test.echo", (m) => healthy.publish(m.reply ?? "", m.data), { queue: "echo" });
        }
        await healthy.flush();
        const requester = await connect("requester");
        const countFailures = async (options: {
          timeoutMs: number;
          againAfterMs?: number;
        }): Promise<number> => {
          const requests = Array.from({ length: 100 }, () =>
            requester.request("test.echo", NOTHING, options),
          );
          const results = await Promise.allSettled(requests);
          return results.filter(({ status }) => status === "rejected").length;
        };

        frozen.pause();
        expect(await countFailures({ timeoutMs: 500 })).toBeGreaterThan(0);
        expect(await countFailures({ timeoutMs: 10_000, againAfterMs: 50 })).toBe(0);
      });
    });

    describe("exchange", () => {
      it("delivers `accepted` and then the answer, and nothing after its disposal", async () => {
        const server = await connect("server");
        let reply = "";
        server.subscribe("t.two", (m) => {
          reply = m.reply ?? "";
          server.publish(reply, Buffer.from("accepted"));
          server.publish(reply, Buffer.from("answer"));
        });
        await server.flush();
        const requester = await connect("requester");
        const heard: string[] = [];
        const failures: Error[] = [];
        const exchange = requester.exchange("t.two", NOTHING, {
          onAnswer: (m) => void heard.push(Buffer.from(m.data).toString()),
          onFailure: (error) => void failures.push(error),
        });
        await eventually(() => heard.length === 2);
        exchange[Symbol.dispose]();
        server.publish(reply, Buffer.from("too late"));
        await server.flush();
        await requester.flush();
        expect(heard).toEqual(["accepted", "answer"]);
        expect(failures).toEqual([]);
      });

      it("reports a missing responder as one failure", async () => {
        const failures: Error[] = [];
        const onFailure = (error: Error) => void failures.push(error);
        (await connect("requester")).exchange("t.unserved", NOTHING, {
          onAnswer: () => undefined,
          onFailure,
        });
        await eventually(() => failures.length > 0);
        expect(failures).toMatchObject([{ code: "NO_RESPONDERS" }]);
      });

      it("survives a callback that throws", async () => {
        await serve("t.echo", (m) => m.data);
        const requester = await connect("requester");
        let called = false;
        requester.exchange("t.echo", NOTHING, {
          onAnswer: () => {
            called = true;
            throw new Error("a defect of the caller");
          },
          onFailure: () => undefined,
        });
        await eventually(() => called);
        await expect(requester.request("t.echo", NOTHING, { timeoutMs: 1000 })).resolves.toBeDefined();
      });
    });

    describe("limits", () => {
      it("refuses a message that is too long, with the limit, for publish, request and exchange alike", async () => {
        await using small = await startNats({ maxPayload: 1024 });
        const bus = await connect("requester", small);
        expect(bus.maxPayload).toBe(1024);
        const refusal = {
          code: "TOO_LARGE",
          message: "a message to t.x exceeds the bus's limit of 1024 bytes",
        };
        const body = new Uint8Array(1025);
        expect(() => bus.publish("t.x", body)).toThrow(expect.objectContaining(refusal));
        await expect(bus.request("t.x", body, { timeoutMs: 100 })).rejects.toMatchObject(refusal);
        const ignore = { onAnswer: () => undefined, onFailure: () => undefined };
        expect(() => bus.exchange("t.x", body, ignore)).toThrow(expect.objectContaining(refusal));
        bus.publish("t.x", new Uint8Array(1024));
      });

      it("refuses a header value that contains another header", async () => {
        const bus = await connect("requester");
        const split = () => bus.publish("t.x", NOTHING, { a: "b\r\nc: d" });
        expect(split).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
      });
    });

    describe("connection", () => {
      it("refuses to publish while the link is down, fails open requests, and works again when it is back", async () => {
        await using own = await startNats();
        const bus = await connect("requester", own);
        const heard: boolean[] = [];
        let reconnects = 0;
        bus.onConnection((connected) => heard.push(connected));
        bus.onReconnect(() => {
          reconnects += 1;
        });
        bus.subscribe("t.silent", () => undefined);
        await bus.flush();
        const pending = bus.request("t.silent", NOTHING, { timeoutMs: 60_000 });

        await Promise.all([own.kill(), expect(pending).rejects.toMatchObject({ code: "DISCONNECTED" })]);
        expect(bus.connected).toBe(false);
        expect(() => bus.publish("t.x", NOTHING)).toThrow(expect.objectContaining({ code: "DISCONNECTED" }));
        await expect(bus.request("t.x", NOTHING, { timeoutMs: 100 })).rejects.toMatchObject({
          code: "DISCONNECTED",
        });

        await own.restart();
        await eventually(() => bus.connected);
        expect(heard).toEqual([false, true]);
        expect(reconnects).toBe(1);
        await expect(bus.request("t.unserved", NOTHING, { timeoutMs: 1000 })).rejects.toMatchObject({
          code: "NO_RESPONDERS",
        });
      });

      it("notices a frozen server within five seconds", async () => {
        await using own = await startNats();
        const bus = await connect("requester", own);
        own.pause();
        await eventually(() => !bus.connected, { timeoutMs: 5000 });
        own.resume();
        await eventually(() => bus.connected, { timeoutMs: 10_000 });
      });

      it("waits for a server that starts later", async () => {
        await using own = await startNats();
        await own.kill();
        const connecting = connect("early", own);
        await own.restart();
        expect((await connecting).connected).toBe(true);
      });

      it("stops connecting after its deadline, or when aborted", async () => {
        const options = { servers: ["nats://127.0.0.1:1"], name: "lonely", log };
        await expect(connectBus({ ...options, timeoutMs: 300 })).rejects.toMatchObject({ code: "TIMEOUT" });
        const aborting = new AbortController();
        const connecting = connectBus({ ...options, signal: aborting.signal });
        aborting.abort();
        await expect(connecting).rejects.toMatchObject({ code: "ABORTED" });
      });

      it("refuses a server without TLS if TLS is required", async () => {
        const servers = [nats.url.replace("nats://", "tls://")];
        await expect(connectBus({ servers, name: "careful", log, timeoutMs: 1000 })).rejects.toMatchObject({
          code: "FORBIDDEN",
        });
      });

      it("closes within seconds even if the server is frozen", async () => {
        await using own = await startNats();
        const bus = await connectBus({ servers: [own.url], name: "closing", log });
        own.pause();
        const started = performance.now();
        await bus[Symbol.asyncDispose]();
        expect(performance.now() - started).toBeLessThan(4000);
        own.resume();
      });
    });
  });
});
