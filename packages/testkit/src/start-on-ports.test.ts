import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { expect, test } from "vitest";
import { isOk, startOnPorts } from "./start-on-ports.ts";

/** Answers with its own name; it binds the port that it is told, and ends when it cannot. */
const SERVER = `
  const [port, name] = process.argv.slice(1);
  require("node:http").createServer((_, response) => response.end(name)).listen(Number(port), "127.0.0.1");`;

function start(name: string, candidate: () => number) {
  return startOnPorts({
    program: process.execPath,
    ports: 1,
    arguments: ([port]) => ["-e", SERVER, String(port), name],
    isReady: ([port]) => isOk(`http://127.0.0.1:${port}/`),
    candidate,
  });
}

test("servers that start at once and try the same ports all get one of their own", async () => {
  const first = 17_000 + Math.floor(Math.random() * 2000);
  const names = ["a", "b", "c", "d"];
  // Each tries the same four, in the same order.
  const candidates = () => {
    let next = first;
    return () => next++;
  };
  const started = await Promise.all(names.map((name) => start(name, candidates())));
  try {
    const answers = await Promise.all(
      started.map(async ({ ports }) => (await fetch(`http://127.0.0.1:${ports[0]}/`)).text()),
    );
    expect(answers).toEqual(names);
    expect(new Set(started.map(({ ports }) => ports[0])).size).toBe(names.length);
  } finally {
    await Promise.all(started.map(({ server }) => server.kill()));
  }
});

test("the answer of another program on the port is not taken for the server's", async () => {
  const other = await otherServer();
  const { port } = other.address() as { port: number };
  const [tried, next] = [port, 17_000 + Math.floor(Math.random() * 2000)];
  const left = [tried, next];
  const { server, ports } = await start("ours", () => left.shift() ?? 0);
  expect(ports).toEqual([next]);
  expect(await (await fetch(`http://127.0.0.1:${next}/`)).text()).toBe("ours");
  await server.kill();
  other.close();
});

/** Says that it is ready to whoever asks. */
async function otherServer(): Promise<Server> {
  const server = createServer((socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother"));
    socket.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
