import { once } from "node:events";
import { connect, createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { accepts, closedPort, listensOn, Port } from "./ports.ts";
import { startProcess } from "./process.ts";

const LISTENS = `require("node:net").createServer().listen(0, "127.0.0.1", function () { console.log("port " + this.address().port); })`;

test.skipIf(process.platform !== "linux")(
  "a process listens on the port that it bound, and not on the port of another process",
  async () => {
    await using one = startProcess(process.execPath, ["-e", LISTENS]);
    await using two = startProcess(process.execPath, ["-e", LISTENS]);
    const [portOfOne, portOfTwo] = await Promise.all(
      [one, two].map(async (it) => Number((await it.output(/port (\d+)/))[1])),
    );
    expect(listensOn(one.pid, portOfOne ?? 0)).toBe(true);
    expect(listensOn(two.pid, portOfTwo ?? 0)).toBe(true);
    expect(listensOn(one.pid, portOfTwo ?? 0)).toBe(false);
    await two.kill();
    expect(listensOn(two.pid, portOfTwo ?? 0)).toBe(false);
  },
);

test("a connection to a port does not count as a listener", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const connects = `require("node:net").connect(${port}, "127.0.0.1", () => console.log("connected"))`;
  await using client = startProcess(process.execPath, ["-e", connects]);
  await client.output(/connected/);
  expect(listensOn(process.pid, port)).toBe(true);
  if (process.platform === "linux") expect(listensOn(client.pid, port)).toBe(false);
  server.close();
});

describe("a port", () => {
  test("of a server that picks it is 0 for the first run, and the same number for every later run", () => {
    const port = new Port();
    expect(port.ask()).toBe(0);
    port.keep(40_123);
    expect([port.ask(), port.number, port.isBound]).toEqual([40_123, 40_123, true]);
  });

  test("of a server that cannot pick one is another number at each try, until the server listens on it", async () => {
    const port = new Port();
    const tried = Array.from({ length: 5 }, () => port.try());
    expect(new Set(tried).size).toBeGreaterThan(1);
    port.keep(port.number);
    await port.bound;
    expect(port.try()).toBe(tried.at(-1));
  });

  test("that is given is tried first, and another number after a failed run", () => {
    const port = new Port(9090);
    expect([port.ask(), port.try()]).toEqual([9090, 9090]);
    expect(port.try()).not.toBe(9090);
  });
});

test("a port accepts connections while a program listens on it, and only then", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  expect(await accepts(typeof address === "object" ? (address?.port ?? 0) : 0)).toBe(true);
  server.close();
  using closed = await closedPort();
  expect(await accepts(closed.port)).toBe(false);
});

test("a closed port refuses connections, and no program can listen on it while it is held", async () => {
  using closed = await closedPort();
  const socket = connect(closed.port, "127.0.0.1");
  await expect(once(socket, "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  const server = createServer().listen(closed.port, "127.0.0.1");
  await expect(once(server, "listening")).rejects.toMatchObject({ code: "EADDRINUSE" });
});
