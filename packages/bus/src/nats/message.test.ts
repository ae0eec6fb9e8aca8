import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import { createLogger } from "@scbe/service";
import { type NatsServer, natsVersions, startNats } from "@scbe/testkit";
import { connect as connectRaw, headers, type Msg } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectBus } from "./connect.ts";
import { headerBlock } from "./message.ts";

const NOTHING = new Uint8Array(0);
const log = createLogger({ name: "test", level: "silent" });

describe.each(natsVersions())("on nats-server $version", ({ program }) => {
  describe.skipIf(program === undefined)("headers that no client library writes", () => {
    let nats: NatsServer;
    let socket: Socket;
    const connect = (name: string) => connectBus({ servers: [nats.url], name, log });
    const publish = (subject: string, reply: string, block: string): boolean =>
      socket.write(
        `HPUB ${subject} ${reply} ${block.length} ${block.length}\r\n${block}\r\n`.replace("  ", " "),
      );

    beforeAll(async () => {
      nats = await startNats({ program });
    });
    beforeEach(async () => {
      socket = connectSocket(Number(new URL(nats.url).port), "127.0.0.1");
      await once(socket, "connect");
      socket.write('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n');
    });
    afterEach(() => void socket.destroy());
    afterAll(() => nats[Symbol.asyncDispose]());

    it("by the ten thousands do not hold up their reader", async () => {
      await using bus = await connect("reader");
      const heard = Promise.withResolvers<(string | undefined)[]>();
      bus.subscribe("t.many", (message) => {
        const before = performance.now();
        const values = [message.header("h1"), message.header("last"), message.header("none")];
        heard.resolve([...values, performance.now() - before < 500 ? "at once" : "late"]);
      });
      await bus.flush();
      const lines = Array.from({ length: 20_000 }, (_, index) => `h${index}: ${index}\r\n`);
      publish("t.many", "", `NATS/1.0\r\n${lines.join("")}last: one\r\n\r\n`);
      expect(await heard.promise).toEqual(["1", "one", undefined, "at once"]);
    });

    it("with a malformed name end neither the connection nor another request", async () => {
      await using bus = await connect("requester");
      const changes: boolean[] = [];
      bus.onConnection((connected) => changes.push(connected));
      socket.write("SUB t.bad 1\r\n");
      socket.on("data", (data) => {
        const [, reply] = /^MSG t\.bad 1 (\S+) /m.exec(String(data)) ?? [];
        if (reply !== undefined) publish(reply, "", "NATS/1.0\r\na b: c\r\nx: y\r\n\r\n");
      });
      await bus.flush();
      const { promise, resolve } = Promise.withResolvers<string | undefined>();
      bus.subscribe("t.open", () => undefined);
      const open = bus.request("t.open", NOTHING, { timeoutMs: 500 }).catch(({ code }) => code);
      bus.exchange("t.bad", NOTHING, { onAnswer: (m) => resolve(m.header("x")), onFailure: () => undefined });
      expect(await promise).toBe("y");
      expect(await open).toBe("TIMEOUT");
      expect(changes).toEqual([]);
    });

    it("are read from private fields of the client library, which this version has", async () => {
      await using stack = new AsyncDisposableStack();
      const raw = await connectRaw({ servers: nats.url });
      stack.defer(() => raw.close());
      const received = Promise.withResolvers<Msg>();
      raw.subscribe("t.raw", { callback: (_error, message) => received.resolve(message) });
      const sent = headers();
      sent.append("scbe-model", "m");
      raw.publish("t.raw", Buffer.from("data"), { headers: sent });
      const message = await received.promise;
      const block = "NATS/1.0\r\nscbe-model: m\r\n\r\n";
      const { _msg: lengths, _rdata: bytes } = message as unknown as {
        readonly _msg: { readonly hdr: number };
        readonly _rdata: Uint8Array;
      };
      expect(lengths.hdr).toBe(block.length);
      expect(Buffer.from(bytes).toString()).toBe(`${block}data`);
      expect(headerBlock(message)).toBe(block);
    });

    it.each([
      ["no colon", "NATS/1.0\r\nscbe-model\r\n\r\n", undefined],
      ["a name that only ends like it", "NATS/1.0\r\nx-scbe-model: m\r\n\r\n", undefined],
      ["a name in other letters", "NATS/1.0\r\nScbe-Model: m\r\n\r\n", undefined],
      ["two values, the first of which counts", "NATS/1.0\r\nscbe-model: m\r\nscbe-model: n\r\n\r\n", "m"],
      ["a value with a colon and blanks around it", "NATS/1.0\r\nscbe-model:  a:b \r\n\r\n", "a:b"],
      ["an empty value", "NATS/1.0\r\nscbe-model:\r\n\r\n", ""],
      ["a status of its own", "NATS/1.0 200 scbe-model: m\r\n\r\n", undefined],
    ])("with %s are read line by line", async (_case, block, value) => {
      await using bus = await connect("reader");
      const heard = Promise.withResolvers<string | undefined>();
      bus.subscribe("t.line", (message) => heard.resolve(message.header("scbe-model")));
      await bus.flush();
      publish("t.line", "", block);
      expect(await heard.promise).toBe(value);
    });
  });
});
