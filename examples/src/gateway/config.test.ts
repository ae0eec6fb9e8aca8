import { readConfig } from "@scbe/runtime";
import { describe, expect, test } from "vitest";
import { PROVIDER_APIS, PROVIDER_NAMES } from "../providers.ts";
import { config, targetOf } from "./config.ts";

const KEYRING = "UAAPL5PQXDJXR7OM7DTNMVJERFN44V5T3MIPVNZPGI4PGGOIPSDTJL5M";
const base = { SCBE_KEYRING_PUBLIC_KEY: KEYRING, SCBE_GATEWAY_PROVIDER: "openai" };
const read = (env: Record<string, string>) => readConfig(config, { ...base, ...env });

function target(env: Record<string, string>) {
  const reading = read(env);
  if (!reading.ok) throw new Error(reading.problems.join("\n"));
  return targetOf(reading.config);
}

describe("a gateway calls", () => {
  test("the local stand-in without a key, and the log says why", () => {
    expect(target({})).toMatchObject({
      baseUrl: "http://127.0.0.1:7190/openai/v1",
      calls: "the local stand-in: OPENAI_API_KEY is not set",
      key: undefined,
    });
  });

  test.each(
    PROVIDER_NAMES.flatMap((provider) =>
      PROVIDER_APIS[provider].keyVariables.map((variable) => [provider, variable] as const),
    ),
  )("the real API of %s with %s", (provider, variable) => {
    const { baseUrl } = PROVIDER_APIS[provider];
    expect(target({ SCBE_GATEWAY_PROVIDER: provider, [variable]: "sk-1" })).toMatchObject({
      provider,
      baseUrl,
      calls: new URL(baseUrl).host,
      key: "sk-1",
    });
  });

  test("the API with the key of the first variable, if two are set", () => {
    const keys = { GEMINI_API_KEY: "gemini", GOOGLE_API_KEY: "google" };
    expect(target({ SCBE_GATEWAY_PROVIDER: "google", ...keys }).key).toBe("gemini");
  });

  test("the stand-in, if only another provider's key is set", () => {
    expect(target({ XAI_API_KEY: "sk-1" })).toMatchObject({ key: undefined });
  });

  test.each([{}, { OPENAI_API_KEY: "sk-1" }])("its own URL first (%o)", (keys) => {
    const own = { SCBE_PROVIDER_URL_OPENAI: "https://proxy.example:8443/v1/" };
    expect(target({ ...own, ...keys })).toMatchObject({
      baseUrl: "https://proxy.example:8443/v1",
      calls: "proxy.example:8443",
    });
  });
});

describe("an invalid configuration", () => {
  test("is reported in full, without the value of any secret", () => {
    const reading = readConfig(config, {
      SCBE_GATEWAY_PROVIDER: "skynet",
      OPENAI_API_KEY: "sk with blanks\n",
      SCBE_PROVIDER_URL_OPENAI: "ftp://example",
      SCBE_STAND_IN_URL: "here",
      SCBE_PROVIDER_TIMEOUT_MS: "0",
      SCBE_PROVIDER_ANSWER_BYTES_MAX: "1e6",
      SCBE_OPS_PORT: "70000",
    });
    if (reading.ok) throw new Error("it was accepted");
    const names = reading.problems.map((problem) => problem.split(":")[0]);
    expect(names.sort()).toEqual([
      "OPENAI_API_KEY",
      "SCBE_GATEWAY_PROVIDER",
      "SCBE_KEYRING_PUBLIC_KEY",
      "SCBE_OPS_PORT",
      "SCBE_PROVIDER_ANSWER_BYTES_MAX",
      "SCBE_PROVIDER_TIMEOUT_MS",
      "SCBE_PROVIDER_URL_OPENAI",
      "SCBE_STAND_IN_URL",
    ]);
    expect(reading.problems.join()).not.toContain("sk with");
  });

  test.each([
    ["a provider outside the deployment", { SCBE_PROVIDERS: "xai" }, /openai is none of SCBE_PROVIDERS/],
    [
      "a key that would travel in the clear",
      { SCBE_PROVIDER_URL_OPENAI: "http://proxy.example/v1", OPENAI_API_KEY: "sk-1" },
      /in the clear; expected https/,
    ],
    ["a URL with credentials", { SCBE_PROVIDER_URL_OPENAI: "https://me@proxy.example" }, /more than scheme/],
    [
      "a URL with a password",
      { SCBE_PROVIDER_URL_OPENAI: "https://:s3cret@proxy.example" },
      /more than scheme/,
    ],
    ["a URL with a query", { SCBE_PROVIDER_URL_OPENAI: "https://proxy.example/?k=1" }, /more than scheme/],
  ])("%s", (_case, env, problem) => {
    const reading = read(env as Record<string, string>);
    expect(reading).toMatchObject({ ok: false, problems: [expect.stringMatching(problem)] });
  });

  test.each([
    ["without a key", "http://proxy.example/v1", {}],
    ["on loopback", "http://127.0.0.1:9/v1", { OPENAI_API_KEY: "sk-1" }],
  ])("plain http is fine %s", (_case, url, keys) => {
    expect(read({ SCBE_PROVIDER_URL_OPENAI: url, ...keys }).ok).toBe(true);
  });
});
