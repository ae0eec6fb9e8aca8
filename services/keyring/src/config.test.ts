import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConfig } from "@scbe/runtime";
import { createTempDir, startProcess, type TempDir } from "@scbe/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { config } from "./config.ts";

let dir: TempDir;
let users: string;
let keyFile: string;
let usual: Record<string, string>;

beforeAll(() => {
  dir = createTempDir();
  users = join(dir.path, "users.json");
  keyFile = join(dir.path, "kms.key");
  writeFileSync(users, "[]");
  writeFileSync(keyFile, "", { mode: 0o600 });
  usual = { SCBE_USERS_FILE: users, SCBE_KMS_KEY_FILE: keyFile };
});
afterAll(() => dir[Symbol.dispose]());

/** The names of the variables with problems. */
function wrong(env: Record<string, string>): string[] {
  const reading = readConfig(config, env);
  return reading.ok ? [] : reading.problems.map((problem) => problem.split(":", 1)[0] ?? "");
}

const MALFORMED: Record<string, string> = {
  SCBE_ENVIRONMENT: "test",
  SCBE_PROVIDERS: "openai,openai",
  SCBE_INTENTS: "a.b",
  SCBE_REPLAY_WINDOW_SECONDS: "0",
  SCBE_MAX_CLOCK_SKEW_SECONDS: "1.5",
  SCBE_SKEW_LIMIT_SECONDS: "601",
  NATS_URL: "http://127.0.0.1",
  NATS_CREDS: "/no/such/file",
  NATS_NKEY_SEED_FILE: "/no/such/file",
  NATS_TLS_CA: "/no/such/file",
  NATS_TLS_CERT: "/no/such/file",
  NATS_TLS_KEY: "/no/such/file",
  NATS_STORE_CREDS: "/no/such/file",
  NATS_STORE_NKEY_SEED_FILE: "/no/such/file",
  LOG_LEVEL: "loud",
  SCBE_OPS_HOST: "a b",
  SCBE_OPS_PORT: "65536",
  SCBE_METRICS_TOKEN: "short",
  SCBE_DRAIN_TIMEOUT_MS: "-1",
  SCBE_KMS_KEY_ID: "arn:aws:s3:::bucket",
  SCBE_KMS_KEY_FILE: "/no/such/file",
  SCBE_KMS_TIMEOUT_MS: "99",
  SCBE_KMS_PROBE_SECONDS: "3601",
  SCBE_USERS_FILE: "/no/such/file",
  SCBE_KEYRING_FORMER_PUBLIC_KEY: "U",
};

test("with only a key file and a list of users, the environment is dev and the KMS is local", () => {
  const reading = readConfig(config, usual);
  expect(reading).toMatchObject({
    ok: true,
    config: {
      SCBE_ENVIRONMENT: "dev",
      SCBE_KMS_KEY_ID: "local",
      SCBE_OPS_PORT: 7102,
      SCBE_KMS_TIMEOUT_MS: 3000,
    },
  });
});

test("all malformed variables are named at once", () => {
  expect(Object.keys(MALFORMED).sort()).toEqual(Object.keys(config.variables).sort());
  expect(wrong(MALFORMED).sort()).toEqual(Object.keys(MALFORMED).sort());
});

test.each(Object.entries(MALFORMED))("%s=%s alone is reported, with the expected value", (name, value) => {
  const reading = readConfig(config, { ...usual, [name]: value });
  if (reading.ok) throw new Error(`${name} was accepted`);
  const own = reading.problems.filter((problem) => problem.startsWith(`${name}: `));
  expect(own).toEqual([expect.stringContaining("; expected ")]);
});

test("missing variables are named", () => {
  expect(wrong({})).toEqual(["SCBE_USERS_FILE", "SCBE_KMS_KEY_ID"]);
  expect(wrong({ SCBE_USERS_FILE: users })).toEqual(["SCBE_KMS_KEY_ID"]);
});

test("a key file that other users can read is refused", () => {
  const open = join(dir.path, "open.key");
  writeFileSync(open, "");
  chmodSync(open, 0o640);
  expect(wrong({ ...usual, SCBE_KMS_KEY_FILE: open })).toEqual(["SCBE_KMS_KEY_FILE"]);
});

describe("in prod", () => {
  test("the local KMS is refused, explicit or by default", () => {
    expect(wrong({ ...usual, SCBE_ENVIRONMENT: "prod" })).toEqual(["SCBE_KMS_KEY_ID"]);
    expect(wrong({ ...usual, SCBE_ENVIRONMENT: "prod", SCBE_KMS_KEY_ID: "local" })).toEqual([
      "SCBE_KMS_KEY_ID",
    ]);
  });

  test.each([
    "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012",
    "arn:aws-us-gov:kms:us-gov-west-1:123456789012:alias/scbe",
    "alias/scbe/prod",
    "12345678-1234-1234-1234-123456789012",
    "mrk-1234abcd12ab34cd56ef1234567890ab",
  ])("%s is accepted", (id) => {
    expect(wrong({ SCBE_ENVIRONMENT: "prod", SCBE_KMS_KEY_ID: id, SCBE_USERS_FILE: users })).toEqual([]);
  });

  test.each(["locally", "arn:aws:kms:us-east-1:1:key/x", "alias/", "alias/a b", "local\n"])(
    "%j is refused",
    (id) => {
      expect(wrong({ ...usual, SCBE_KMS_KEY_ID: id })).toEqual(["SCBE_KMS_KEY_ID"]);
    },
  );
});

test("a misconfigured process prints all problems, without a stack trace, and exits with 78", async () => {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  await using keyring = startProcess(process.execPath, [main], { env: MALFORMED, bareEnv: true });
  expect(await keyring.exited).toMatchObject({ code: 78 });
  for (const name of Object.keys(MALFORMED)) expect(keyring.stderr).toContain(`\n  ${name}: `);
  expect(keyring.stderr).not.toMatch(/\n\s+at /);
  expect(keyring.stdout).toBe("");
});
