import { once } from "node:events";
import { connect, createServer } from "node:net";
import { expect, test } from "vitest";
import { closedPort } from "./closed-port.ts";

test("a closed port refuses connections, and no program can listen on it while it is held", async () => {
  using closed = await closedPort();
  const socket = connect(closed.port, "127.0.0.1");
  await expect(once(socket, "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  const server = createServer().listen(closed.port, "127.0.0.1");
  await expect(once(server, "listening")).rejects.toMatchObject({ code: "EADDRINUSE" });
});
