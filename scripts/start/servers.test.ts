import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createTempDir, findServer, requireTool } from "@scbe/testkit";
import { expect, test } from "vitest";
import { Fleet } from "./fleet.ts";
import { openFolder } from "./local-folder.ts";
import { natsServer, redisServer } from "./servers.ts";

const { signal } = new AbortController();
const hasRedis = requireTool("redis-server").ok;
const NAMES = ["one", "two", "three", "four"];

/** What a server says first, or to what it is sent. */
async function saidBy(url: string, question: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  try {
    socket.write(question);
    const [answer] = await once(socket, "data");
    return String(answer);
  } finally {
    socket.destroy();
  }
}

test("several stacks' NATS servers that start at once are each found where they listen, also after a restart", async () => {
  using dir = createTempDir();
  await using fleet = new Fleet();
  const servers = NAMES.map((name) => {
    using folder = openFolder(dir.path, name);
    const config = join(folder.path, "nats.conf");
    writeFileSync(config, `server_name: ${name}\n`);
    return natsServer(findServer("nats-server"), config, folder, {});
  });
  await fleet.start(
    servers.map(({ program }) => program),
    25_000,
    signal,
  );
  const said = await Promise.all(servers.map(({ url }) => saidBy(url, "")));
  expect(said.map((info) => /"server_name":"(\w+)"/.exec(info)?.[1])).toEqual(NAMES);
  const args = (await servers[0]?.program.command())?.args ?? [];
  expect(args.join(" ")).toContain(`-p ${new URL(servers[0]?.url ?? "").port} `);
});

test.skipIf(!hasRedis)("so are their Redis servers, each of which knows its own password", async () => {
  using dir = createTempDir();
  await using fleet = new Fleet();
  const servers = NAMES.map((name) => {
    using folder = openFolder(dir.path, name);
    return redisServer(findServer("redis-server"), folder, {});
  });
  await fleet.start(
    servers.map(({ program }) => program),
    25_000,
    signal,
  );
  const said = servers.map(({ url }) => saidBy(url, `AUTH ${new URL(url).password}\r\n`));
  expect(await Promise.all(said)).toEqual(NAMES.map(() => "+OK\r\n"));
});
