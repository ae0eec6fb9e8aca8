import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findServer, requireTool } from "./find-tool.ts";
import { natsServer } from "./nats-server.ts";
import { redisServer } from "./redis-server.ts";
import { Fleet } from "./supervisor.ts";
import { createTempDir } from "./temp-dir.ts";

const { signal } = new AbortController();
const hasRedis = requireTool("redis-server").ok;
const NAMES = ["one", "two", "three", "four"];

function folderIn(parent: string, name: string): string {
  const folder = join(parent, name);
  mkdirSync(folder);
  return folder;
}

/** The first data that a server sends, on its own or in answer to `sent`. */
async function firstAnswer(url: string, sent: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  try {
    socket.write(sent);
    const [answer] = await once(socket, "data");
    return String(answer);
  } finally {
    socket.destroy();
  }
}

test("NATS servers that start at once are each found where they listen, also after a restart", async () => {
  using dir = createTempDir();
  await using fleet = new Fleet();
  const servers = NAMES.map((name) => {
    const folder = folderIn(dir.path, name);
    const configFile = join(folder, "nats.conf");
    writeFileSync(configFile, `server_name: ${name}\n`);
    const file = findServer("nats-server");
    return natsServer({ file, configFile, portsFolder: folder, env: {}, logFile: join(folder, "log") });
  });
  await fleet.start(
    servers.map(({ program }) => program),
    25_000,
    signal,
  );
  const answers = await Promise.all(servers.map(({ url }) => firstAnswer(url, "")));
  expect(answers.map((info) => /"server_name":"(\w+)"/.exec(info)?.[1])).toEqual(NAMES);
  const args = (await servers[0]?.program.command())?.args ?? [];
  expect(args.join(" ")).toContain(`-p ${new URL(servers[0]?.url ?? "").port} `);
});

test.skipIf(!hasRedis)(
  "Redis servers that start at once are each found where they listen, by their own password",
  async () => {
    using dir = createTempDir();
    await using fleet = new Fleet();
    const servers = NAMES.map((name) => {
      const folder = folderIn(dir.path, name);
      const file = findServer("redis-server");
      return redisServer({ file, folder, password: `of-${name}`, env: {}, logFile: join(folder, "log") });
    });
    await fleet.start(
      servers.map(({ program }) => program),
      25_000,
      signal,
    );
    const answers = servers.map(({ url }) => firstAnswer(url, `AUTH ${new URL(url).password}\r\n`));
    expect(await Promise.all(answers)).toEqual(NAMES.map(() => "+OK\r\n"));
  },
);
