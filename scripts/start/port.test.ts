import { once } from "node:events";
import { createServer } from "node:net";
import { closedPort } from "@scbe/testkit";
import { describe, expect, test } from "vitest";
import { accepts, Port } from "./port.ts";

describe("a port", () => {
  test("of a server that picks it is any at first, and the same one at each further run", () => {
    const port = new Port();
    expect(port.ask()).toBe(0);
    port.keep(40_123);
    expect([port.ask(), port.number, port.isBound]).toEqual([40_123, 40_123, true]);
  });

  test("of a server that cannot pick one is another one at each try, until the server listens on it", async () => {
    const port = new Port();
    const tried = Array.from({ length: 5 }, () => port.try());
    expect(new Set(tried).size).toBeGreaterThan(1);
    port.keep(port.number);
    await port.bound;
    expect(port.try()).toBe(tried.at(-1));
  });

  test("that is given is tried first, and another one where the server does not get it", () => {
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
