import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConfig } from "@scbe/runtime";
import { createTempDir, startProcess, startRedis, startSecuredNats } from "@scbe/testkit";
import { expect, test } from "vitest";
import { config } from "../src/config.ts";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

function problemsOf(variables: Readonly<Record<string, string>>): string {
  const reading = readConfig(config, variables);
  return reading.ok ? "" : reading.problems.join("\n");
}

test("without any variable, the guard keeps envelopes in memory and would use database 1", () => {
  const reading = readConfig(config, {});
  expect(reading).toMatchObject({ ok: true, config: { REDIS_REPLAY_DB: 1, SCBE_OPS_PORT: 7103 } });
});

test.each<[string, Record<string, string>, string]>([
  ["the in-memory store in prod", { SCBE_ENVIRONMENT: "prod" }, "in-memory store is refused"],
  ["a database beyond 15", { REDIS_REPLAY_DB: "16" }, "REDIS_REPLAY_DB"],
  ["a malformed URL", { REDIS_URL: "nope" }, "REDIS_URL"],
  ["another scheme", { REDIS_URL: "http://r:6379" }, "REDIS_URL"],
  [
    "a URL that names another database",
    { REDIS_URL: "redis://r:6379/0" },
    "another database than REDIS_REPLAY_DB (1)",
  ],
  ["a URL with options", { REDIS_URL: "redis://r:6379?enableOfflineQueue=true" }, "query"],
  ["a password with a % that is not an escape", { REDIS_URL: "redis://:100%sure@r:6379" }, "percent-encoded"],
  ["the nodes of a cluster", { REDIS_URL: "redis://a,b:6379" }, "Redis Cluster is not supported"],
  ["a CA for a connection without TLS", { REDIS_URL: "redis://r:6379", REDIS_TLS_CA: MAIN }, "REDIS_TLS_CA"],
  ["sentinels without a name", { REDIS_SENTINELS: "a:26379" }, "needs REDIS_SENTINEL_NAME"],
  ["a name without sentinels", { REDIS_SENTINEL_NAME: "scbe" }, "needs REDIS_SENTINELS"],
  ["a sentinel without a port", { REDIS_SENTINELS: "a", REDIS_SENTINEL_NAME: "m" }, "host:port"],
  ["a timeout of nothing", { REDIS_COMMAND_TIMEOUT_MS: "0" }, "REDIS_COMMAND_TIMEOUT_MS"],
  ["a memory of nothing", { SCBE_REPLAY_MEMORY_ENTRIES: "0" }, "SCBE_REPLAY_MEMORY_ENTRIES"],
])("the configuration refuses %s", (_what, variables, problem) => {
  expect(problemsOf(variables)).toContain(problem);
});

test.each<[string, Record<string, string>]>([
  ["one server", { REDIS_URL: "redis://prod-redis-cluster:6379" }],
  ["one server and its database", { REDIS_URL: "redis://r:6379/3", REDIS_REPLAY_DB: "3" }],
  ["one server over TLS", { REDIS_URL: "rediss://user:word@r:6380", REDIS_TLS_CA: MAIN }],
  ["sentinels in prod", { SCBE_ENVIRONMENT: "prod", REDIS_SENTINELS: "a:1,b:2", REDIS_SENTINEL_NAME: "m" }],
])("the configuration accepts %s", (_what, variables) => {
  expect(problemsOf(variables)).toBe("");
});

test("REDIS_URL can be in a file, and is never shown", () => {
  using dir = createTempDir();
  const file = join(dir.path, "url");
  writeFileSync(file, "redis://:s3cret@r:6379/2\n", { mode: 0o600 });
  const problems = problemsOf({ REDIS_URL_FILE: file });
  expect(problems).toContain("another database");
  expect(problems).not.toContain("s3cret");
  chmodSync(file, 0o644);
  expect(problemsOf({ REDIS_URL_FILE: file })).toContain("others may read");
});

test("the process prints all problems of its configuration at once, and exits with 78", async () => {
  const env = { REDIS_URL: "nope", REDIS_REPLAY_DB: "x", SCBE_OPS_PORT: "-1" };
  await using guard = startProcess(process.execPath, [MAIN], { bareEnv: true, env });
  expect((await guard.exited).code).toBe(78);
  for (const name of Object.keys(env)) expect(guard.stderr).toContain(name);
  expect(guard.stderr).not.toContain("at ");
});

test("the process starts, becomes ready, and exits with 0 on SIGTERM", async () => {
  await using nats = await startSecuredNats();
  await using redis = await startRedis();
  const env = {
    NATS_URL: nats.url,
    ...nats.credentials.environment("replay-guard"),
    REDIS_URL: redis.url,
    SCBE_PROVIDERS: "openai",
    SCBE_OPS_PORT: "0",
  };
  await using guard = startProcess(process.execPath, [MAIN], { bareEnv: true, env });
  await guard.output(/"msg":"started"/);
  const [, port] = await guard.output(/"opsPort":(\d+)/);
  await expect.poll(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
  guard.signal("SIGTERM");
  expect((await guard.exited).code).toBe(0);
});
