import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ScbeError } from "@scbe/contracts";
import { createTempDir, type TempDir } from "@scbe/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ClientSettings, clientConfig, readClientConfig } from "./config.ts";

const KEY = "UAAPL5PQXDJXR7OM7DTNMVJERFN44V5T3MIPVNZPGI4PGGOIPSDTJL5M";
const OTHER_KEY = "UAP7WR4LVZUUYQP6Q2CN5BDJPC7F2IP5UQKHQ7VYKXGIVBNJGZJ3ZXVR";
let dir: TempDir;
let seedFile: string;

beforeAll(() => {
  dir = createTempDir();
  seedFile = join(dir.path, "user.seed");
  writeFileSync(seedFile, "", { mode: 0o600 });
});
afterAll(() => dir[Symbol.dispose]());

/** The text of the error for these settings. */
function problems(settings: ClientSettings, found?: readonly string[]): string {
  try {
    readClientConfig(settings, found);
  } catch (error) {
    if (error instanceof ScbeError && error.code === "BAD_REQUEST") return error.message;
    throw error;
  }
  throw new Error("the settings were accepted");
}

test("with the keyring's public key alone, everything else has its default", () => {
  expect(readClientConfig({ keyringPublicKey: KEY, variables: {} })).toMatchObject({
    SCBE_ENVIRONMENT: "dev",
    SCBE_INTENTS: ["chat"],
    SCBE_REPLAY_WINDOW_SECONDS: 300,
    SCBE_REQUEST_TIMEOUT_MAX_MS: 120_000,
    SCBE_ADMIT_TIMEOUT_MS: 600,
    SCBE_NOISE_FLOOR_MS: 700,
    SCBE_ACCEPT_TIMEOUT_MS: 1000,
    NATS_URL: ["nats://127.0.0.1:4222"],
  });
});

test("arguments beat variables", () => {
  const variables = {
    NATS_URL: "nats://a:1",
    SCBE_PROVIDERS: "google",
    SCBE_INTENTS: "chat",
    SCBE_KEYRING_PUBLIC_KEY: OTHER_KEY,
    SCBE_REPLAY_WINDOW_SECONDS: "60",
  };
  const config = readClientConfig({
    variables,
    transport: { servers: ["nats://b:2", "tls://c:3"] },
    providers: ["openai", "xai"],
    intents: ["tools"],
    keyringPublicKey: KEY,
  });
  expect(config).toMatchObject({
    NATS_URL: ["nats://b:2", "tls://c:3"],
    SCBE_PROVIDERS: ["openai", "xai"],
    SCBE_INTENTS: ["tools"],
    SCBE_KEYRING_PUBLIC_KEY: KEY,
    SCBE_REPLAY_WINDOW_SECONDS: 60,
  });
});

test("a transport argument replaces all of the environment's transport, including the identity", () => {
  const variables = { NATS_NKEY_SEED_FILE: seedFile, NATS_TLS_CA: seedFile };
  const inherited = readClientConfig({ keyringPublicKey: KEY, variables });
  expect(inherited).toMatchObject({ NATS_NKEY_SEED_FILE: seedFile, NATS_TLS_CA: seedFile });
  const given = readClientConfig({
    keyringPublicKey: KEY,
    variables,
    transport: { servers: ["nats://b:2"] },
  });
  expect([given.NATS_NKEY_SEED_FILE, given.NATS_TLS_CA]).toEqual([undefined, undefined]);
});

test("every problem is listed at once, including those found before", () => {
  const text = problems(
    {
      variables: {
        SCBE_ENVIRONMENT: "test",
        SCBE_NONCE_COUNTER_LIMIT: "0",
        SCBE_REQUEST_TIMEOUT_MAX_MS: "1e3",
      },
      transport: { servers: ["http://b"], nkeySeedFile: "/no/such/file" },
      providers: ["Open AI"],
      intents: ["a.b"],
      keyringPublicKey: "key",
    },
    ["name: is invalid"],
  );
  for (const name of [
    "name",
    "SCBE_ENVIRONMENT",
    "SCBE_NONCE_COUNTER_LIMIT",
    "SCBE_REQUEST_TIMEOUT_MAX_MS",
    "NATS_URL",
    "NATS_NKEY_SEED_FILE",
    "SCBE_PROVIDERS",
    "SCBE_INTENTS",
    "SCBE_KEYRING_PUBLIC_KEY",
  ]) {
    expect(text).toMatch(new RegExp(`[:;] ${name}: `));
  }
});

test.each<[string, ClientSettings]>([
  ["providers", { providers: [] }],
  ["intents", { intents: [] }],
  ["transport.servers", { transport: { servers: [] } }],
])("an empty list of %s is an error, not the default", (name, settings) => {
  expect(problems({ keyringPublicKey: KEY, variables: {}, ...settings })).toContain(`${name}: is empty`);
});

test("a public key with a wrong checksum is refused before connecting", () => {
  const mistyped = `${KEY.slice(0, -1)}${KEY.endsWith("A") ? "B" : "A"}`;
  expect(() => readClientConfig({ keyringPublicKey: mistyped, variables: {} })).toThrow(
    /its checksum is wrong/,
  );
});

test("without the keyring's public key there is no configuration", () => {
  expect(problems({ variables: {} })).toMatch(/SCBE_KEYRING_PUBLIC_KEY: is not set/);
  expect(problems({ variables: {}, keyringPublicKey: "" })).toMatch(/SCBE_KEYRING_PUBLIC_KEY: is not set/);
});

test.each([
  [{ SCBE_ADMIT_TIMEOUT_MS: "700" }, "SCBE_ADMIT_TIMEOUT_MS"],
  [{ SCBE_NOISE_FLOOR_MS: "1000" }, "SCBE_NOISE_FLOOR_MS"],
  [{ SCBE_MAX_CLOCK_SKEW_SECONDS: "20", SCBE_SKEW_LIMIT_SECONDS: "10" }, "SCBE_MAX_CLOCK_SKEW_SECONDS"],
])("times in the wrong order are refused: %j", (variables, name) => {
  expect(problems({ keyringPublicKey: KEY, variables })).toContain(name);
});

test("no variable of a client holds a secret: identities are in files", () => {
  const secrets = Object.entries(clientConfig.variables).filter(([, variable]) => variable.secret);
  expect(secrets).toEqual([]);
});
