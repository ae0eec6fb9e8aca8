import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { isFree, Port } from "./port.ts";

describe("a free port", () => {
  test("that was picked before its time is the one that its user takes", async () => {
    const port = new Port();
    await port.pick();
    const { number } = port;
    expect(number).toBeGreaterThan(0);
    expect(await port.take()).toBe(number);
  });

  test("is another one at the next try, as long as nobody has got it", async () => {
    const port = new Port();
    await port.pick();
    const first = await port.take();
    await using _holder = await hold(first);
    const second = await port.take();
    expect(second).not.toBe(first);
    port.keep();
    expect(await port.take()).toBe(second);
  });
});

test("a port that is given is never another one, and is not free while somebody listens on it", async () => {
  await using holder = await hold(0);
  const port = new Port(holder.port);
  await port.pick();
  expect(await port.take()).toBe(holder.port);
  expect(await isFree(holder.port)).toBe(false);
});

async function hold(port: number): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    [Symbol.asyncDispose]: async () => {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
