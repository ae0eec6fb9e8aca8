import { describe, expect, test } from "vitest";
import { baseEnvironment, pick, WAY_TO_PROVIDERS } from "./environment.ts";

const OWN = {
  PATH: "/bin",
  HOME: "/home/somebody",
  LOG_LEVEL: "warn",
  SCBE_REPLAY_WINDOW_SECONDS: "60",
  SCBE_PROVIDER_URL_XAI: "http://127.0.0.1:1",
  SCBE_OPS_PORT: "7101",
  SCBE_KMS_KEY_ID: "alias/theirs",
  OPENAI_API_KEY: "a key",
  XAI_API_KEY_FILE: "/home/somebody/xai.key",
  AWS_SECRET_ACCESS_KEY: "a secret",
  NATS_URL: "nats://production:4222",
  REDIS_URL: "redis://production:6379",
  NODE_OPTIONS: "--inspect",
  HTTPS_PROXY: "http://somebody:secret@proxy:3128",
};

describe("what every part gets of the launcher's environment", () => {
  test("is the machine's, the level of logs, and SCBE's limits and times", () => {
    expect(baseEnvironment(OWN)).toEqual({
      PATH: "/bin",
      HOME: "/home/somebody",
      LOG_LEVEL: "warn",
      SCBE_REPLAY_WINDOW_SECONDS: "60",
      SCBE_PROVIDER_URL_XAI: "http://127.0.0.1:1",
      SCBE_DRAIN_TIMEOUT_MS: "5000",
    });
  });
});

describe("a gateway's key", () => {
  test("has the way to the provider beside it, a proxy and its password, which nobody else gets", () => {
    expect(pick(OWN, WAY_TO_PROVIDERS)).toEqual({ HTTPS_PROXY: "http://somebody:secret@proxy:3128" });
  });

  test("is picked directly or as a file, and nobody else's with it", () => {
    expect(pick(OWN, ["OPENAI_API_KEY"])).toEqual({ OPENAI_API_KEY: "a key" });
    expect(pick(OWN, ["XAI_API_KEY"])).toEqual({ XAI_API_KEY_FILE: "/home/somebody/xai.key" });
  });

  test("is not there when it is empty", () => {
    expect(pick({ GROQ_API_KEY: "" }, ["GROQ_API_KEY"])).toEqual({});
  });
});
