import { createServer } from "node:net";
import { startProcess } from "@scbe/testkit";
import { expect, test } from "vitest";
import { listensOn } from "./server-ports.ts";

const LISTENS = `require("node:net").createServer().listen(0, "127.0.0.1", function () { console.log("port " + this.address().port); })`;

test.skipIf(process.platform !== "linux")(
  "a process listens on the port that it has bound, and on no other process's",
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

test("a connection to a port is no listener on it", async () => {
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
