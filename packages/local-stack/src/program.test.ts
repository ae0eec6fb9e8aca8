import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { expect, test } from "vitest";
import { listensOn, Port } from "./ports.ts";
import { isOk, type Program, startProgram } from "./program.ts";

/** Answers with its own name. It binds the given port, and ends when it cannot. */
const SERVER = `
  const [port, name] = process.argv.slice(1);
  require("node:http").createServer((_, response) => response.end(name)).listen(Number(port), "127.0.0.1");`;

interface Started {
  readonly server: AsyncDisposable;
  readonly port: number;
}

async function start(name: string, candidate: () => number): Promise<Started> {
  const port = new Port(0, candidate);
  const program: Program = {
    name,
    command: () => ({ file: process.execPath, args: ["-e", SERVER, String(port.try()), name], env: {} }),
    isReady: async (pid) => listensOn(pid, port.number) && isOk(`http://127.0.0.1:${port.number}/`),
  };
  const server = await startProgram(program);
  return { server, port: port.number };
}

test("servers that start at once and try the same ports each get a port of their own", async () => {
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
      started.map(async ({ port }) => (await fetch(`http://127.0.0.1:${port}/`)).text()),
    );
    expect(answers).toEqual(names);
    expect(new Set(started.map(({ port }) => port)).size).toBe(names.length);
  } finally {
    await Promise.all(started.map(({ server }) => server[Symbol.asyncDispose]()));
  }
});

test("an answer of another program on the port does not count as the server's", async () => {
  const other = await otherServer();
  const { port } = other.address() as { port: number };
  const [tried, next] = [port, 17_000 + Math.floor(Math.random() * 2000)];
  const left = [tried, next];
  const { server, port: bound } = await start("ours", () => left.shift() ?? 0);
  expect(bound).toBe(next);
  expect(await (await fetch(`http://127.0.0.1:${next}/`)).text()).toBe("ours");
  await server[Symbol.asyncDispose]();
  other.close();
});

/** Answers every request as if it were ready. */
async function otherServer(): Promise<Server> {
  const server = createServer((socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother"));
    socket.on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
