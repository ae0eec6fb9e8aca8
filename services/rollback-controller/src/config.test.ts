import { environmentVariables } from "@scbe/bus";
import { defineConfig, readConfig } from "@scbe/runtime";
import { createCertificates, createTempDir } from "@scbe/testkit";
import { describe, expect, it, test } from "vitest";
import { apiVariables, canaryVariables, noticeVariables, tokenVariables } from "./config.ts";

const tokenSpec = defineConfig(tokenVariables);
const A = "a".repeat(16);

describe("tokens in the configuration", () => {
  it("are optional", () => {
    expect(readConfig(tokenSpec, {})).toMatchObject({ ok: true });
  });

  it.each([
    ["is short", "a".repeat(15)],
    ["has a space", `${A} b`],
    ["has a line end", `${A}\nb`],
    ["is endless", "a".repeat(513)],
  ])("are refused when one %s, and not shown", (_case, token) => {
    const reading = readConfig(tokenSpec, { ADMIN_TOKEN: token });
    expect(reading).toMatchObject({
      ok: false,
      problems: [expect.stringMatching(/^ADMIN_TOKEN: its value/)],
    });
    expect(JSON.stringify(reading)).not.toContain(token.slice(0, 15));
  });

  it.each([
    ["ADMIN_TOKEN", "EMERGENCY_TOKEN"],
    ["ADMIN_TOKEN", "SCBE_ALERTMANAGER_TOKEN"],
    ["EMERGENCY_TOKEN", "SCBE_ALERTMANAGER_TOKEN"],
  ])("are refused when %s and %s are the same", (one, other) => {
    expect(readConfig(tokenSpec, { [one]: A, [other]: A })).toEqual({
      ok: false,
      problems: [`${one}: is the same as ${other}; each needs one of its own`],
    });
  });
});

const apiSpec = defineConfig(apiVariables);
const problemsOf = (env: Record<string, string>): readonly string[] => {
  const reading = readConfig(apiSpec, env);
  return reading.ok ? [] : reading.problems;
};

test.each(["127.0.0.1", "127.8.0.1", "localhost", "::1"])(
  "the control API is plain on loopback: %s",
  (host) => {
    expect(problemsOf({ SCBE_CONTROL_API_HOST: host })).toEqual([]);
  },
);

test.each(["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example.com", "api.company.com"])(
  "on %s it needs TLS, or a proxy that ends it in front, and the problem says so",
  (host) => {
    using dir = createTempDir();
    const { serverCert, serverKey } = createCertificates(dir.path);
    const tls = { SCBE_CONTROL_API_TLS_CERT: serverCert, SCBE_CONTROL_API_TLS_KEY: serverKey };
    expect(problemsOf({ SCBE_CONTROL_API_HOST: host })).toEqual([
      expect.stringMatching(
        /^SCBE_CONTROL_API_HOST: .*SCBE_CONTROL_API_TLS_CERT.*SCBE_CONTROL_API_PLAIN=allow/,
      ),
    ]);
    expect(problemsOf({ SCBE_CONTROL_API_HOST: host, ...tls })).toEqual([]);
    expect(problemsOf({ SCBE_CONTROL_API_HOST: host, SCBE_CONTROL_API_PLAIN: "allow" })).toEqual([]);
  },
);

test("a certificate needs its key beside it, and a key its certificate", () => {
  using dir = createTempDir();
  const { serverCert, serverKey } = createCertificates(dir.path);
  expect(problemsOf({ SCBE_CONTROL_API_TLS_CERT: serverCert })).toEqual([
    "SCBE_CONTROL_API_TLS_CERT: needs SCBE_CONTROL_API_TLS_KEY beside it",
  ]);
  expect(problemsOf({ SCBE_CONTROL_API_TLS_KEY: serverKey })).toEqual([
    "SCBE_CONTROL_API_TLS_KEY: needs SCBE_CONTROL_API_TLS_CERT beside it",
  ]);
});

test("names have no port, and are optional", () => {
  expect(problemsOf({ SCBE_CONTROL_API_HOSTS: "api.company.com, 10.0.0.1" })).toEqual([]);
  expect(problemsOf({ SCBE_CONTROL_API_HOSTS: "https://api.company.com" })).toHaveLength(1);
  expect(problemsOf({})).toEqual([]);
});

const noticeSpec = defineConfig({ ...environmentVariables, ...noticeVariables });
const readNotices = (env: Readonly<Record<string, string>>) => readConfig(noticeSpec, env);

test("there are no notices unless a destination is configured", () => {
  expect(readNotices({})).toMatchObject({
    ok: true,
    config: {
      PAGERDUTY_INTEGRATION_KEY: undefined,
      SLACK_WEBHOOK_URL: undefined,
      PAGERDUTY_URL: "https://events.pagerduty.com/v2/enqueue",
    },
  });
});

test.each([
  ["SLACK_WEBHOOK_URL", "ftp://hooks.example/secret-part", "dev"],
  ["SLACK_WEBHOOK_URL", "http://hooks.example/secret-part", "prod"],
  ["PAGERDUTY_INTEGRATION_KEY", "secret-part with spaces", "dev"],
])("%s with a value that cannot be right is refused, and not shown", (name, value, env) => {
  const reading = readNotices({ SCBE_ENVIRONMENT: env, [name]: value });
  expect(reading.ok ? [] : reading.problems).toEqual([expect.stringContaining(`${name}: `)]);
  expect(JSON.stringify(reading)).not.toContain("secret-part");
});

test("prod sends no event in the clear", () => {
  const reading = readNotices({ SCBE_ENVIRONMENT: "prod", PAGERDUTY_URL: "http://proxy.example/enqueue" });
  expect(reading.ok ? [] : reading.problems).toEqual(["PAGERDUTY_URL: is not https, which prod demands"]);
});

const canarySpec = defineConfig(canaryVariables);

test("without any of its variables, a canary follows the runbook", () => {
  expect(readConfig(canarySpec, {})).toMatchObject({
    ok: true,
    config: {
      SCBE_CANARY_STEPS: ["5", "25", "50", "100"],
      SCBE_CANARY_HOLD_MINUTES: 30,
      SCBE_CANARY_TICK_SECONDS: 30,
    },
  });
});

test.each([
  ["SCBE_CANARY_STEPS", "5,25,20", "not above the one before"],
  ["SCBE_CANARY_STEPS", "5,5", "names an item twice"],
  ["SCBE_CANARY_STEPS", "0,100", "number 1"],
  ["SCBE_CANARY_STEPS", "50,101", "number 2"],
  ["SCBE_CANARY_STEPS", "1,2,3,4,5,6,7,8,9", "too many items"],
  ["SCBE_CANARY_HOLD_MINUTES", "0", "out of bounds"],
  ["ALERTMANAGER_URL", "ftp://127.0.0.1", "another scheme"],
])("%s=%s is refused", (name, value, problem) => {
  const reading = readConfig(canarySpec, { [name]: value });
  expect(reading.ok ? "" : reading.problems.join()).toMatch(new RegExp(`${name}.*${problem}`));
});
