import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";
import { collectLogs, startRedis } from "@scbe/testkit";
import { expect, test } from "vitest";
import { connectRedis, redisFailure } from "./redis-connection.ts";

const { log } = collectLogs();
const config = {
  REDIS_URL: undefined,
  REDIS_REPLAY_DB: 1,
  REDIS_TLS_CA: undefined,
  REDIS_SENTINELS: undefined,
  REDIS_SENTINEL_NAME: undefined,
  REDIS_COMMAND_TIMEOUT_MS: 400,
};

test("the error for a failure of Redis does not contain the arguments of the command", async () => {
  await using server = await startRedis();
  using connection = connectRedis({ ...config, REDIS_URL: server.url }, log);
  const { redis } = connection;
  await new Promise((resolve) => redis.once("ready", resolve));
  const error = await redis.call("EVAL", "no lua", "0", "the-argument").then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(inspect(error, { depth: 9 })).toContain("the-argument");
  const failure = redisFailure(error);
  expect(failure.code).toBe("NOT_READY");
  expect(inspect(failure, { depth: 9, showHidden: true })).not.toContain("the-argument");
});

test("a connection that the client has given up is reopened, until it is disposed of", async () => {
  await using server = await startRedis();
  const connection = connectRedis({ ...config, REDIS_URL: server.url }, log);
  const { redis } = connection;
  await new Promise((resolve) => redis.once("ready", resolve));
  redis.disconnect();
  await new Promise((resolve) => redis.once("end", resolve));
  await new Promise((resolve) => redis.once("ready", resolve));
  const ended = new Promise((resolve) => redis.once("end", resolve));
  connection[Symbol.dispose]();
  await ended;
  await delay(400);
  expect(redis.status).toBe("end");
});

test("user, password, port and TLS come from the URL; the database from its own variable", () => {
  using connection = connectRedis({ ...config, REDIS_URL: "rediss://user:p%40ss@localhost:1/1" }, log);
  const { options } = connection.redis;
  expect(options).toMatchObject({ host: "localhost", port: 1, username: "user", password: "p@ss", db: 1 });
  expect(options.tls).toEqual({ servername: "localhost" });
});

test("a command is neither repeated after a lost connection nor queued for the next one", () => {
  using connection = connectRedis({ ...config, REDIS_URL: "redis://127.0.0.1:1" }, log);
  expect(connection.redis.options).toMatchObject({
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 400,
  });
});
