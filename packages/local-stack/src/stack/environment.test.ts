import { describe, expect, test } from "vitest";
import {
  baseEnvironment,
  pick,
  providerAnswers,
  tracesGoElsewhere,
  tracingEnvironment,
  WAY_TO_PROVIDERS,
} from "./environment.ts";

const OWN = {
  PATH: "/bin",
  HOME: "/home/user",
  LOG_LEVEL: "warn",
  SCBE_REPLAY_WINDOW_SECONDS: "60",
  SCBE_PROVIDER_URL_XAI: "http://127.0.0.1:1",
  SCBE_OPS_PORT: "7101",
  SCBE_KMS_KEY_ID: "alias/theirs",
  OPENAI_API_KEY: "a key",
  XAI_API_KEY_FILE: "/home/user/xai.key",
  AWS_SECRET_ACCESS_KEY: "a secret",
  NATS_URL: "nats://production:4222",
  REDIS_URL: "redis://production:6379",
  NODE_OPTIONS: "--inspect",
  HTTPS_PROXY: "http://user:secret@proxy:3128",
};

describe("the environment that every program inherits", () => {
  test("holds the machine's variables, the log level, and SCBE's limits and times", () => {
    expect(baseEnvironment(OWN)).toEqual({
      PATH: "/bin",
      HOME: "/home/user",
      LOG_LEVEL: "warn",
      SCBE_REPLAY_WINDOW_SECONDS: "60",
      SCBE_PROVIDER_URL_XAI: "http://127.0.0.1:1",
      SCBE_DRAIN_TIMEOUT_MS: "5000",
    });
  });
});

describe("a gateway's key", () => {
  test("comes with the proxy and its password, which no other program gets", () => {
    expect(pick(OWN, WAY_TO_PROVIDERS)).toEqual({ HTTPS_PROXY: "http://user:secret@proxy:3128" });
  });

  test("is picked directly or as a file, without the keys of other providers", () => {
    expect(pick(OWN, ["OPENAI_API_KEY"])).toEqual({ OPENAI_API_KEY: "a key" });
    expect(pick(OWN, ["XAI_API_KEY"])).toEqual({ XAI_API_KEY_FILE: "/home/user/xai.key" });
  });

  test("is absent when it is empty", () => {
    expect(pick({ GROQ_API_KEY: "" }, ["GROQ_API_KEY"])).toEqual({});
  });
});

describe("traces", () => {
  const JAEGER = "http://127.0.0.1:4318";

  test("go to the local Jaeger soon after the request, and nowhere without a Jaeger", () => {
    expect(tracingEnvironment({}, JAEGER)).toEqual({
      OTEL_EXPORTER_OTLP_ENDPOINT: JAEGER,
      OTEL_BSP_SCHEDULE_DELAY: "500",
    });
    expect(tracingEnvironment({}, undefined)).toEqual({});
  });

  test("follow the user's own OTEL_* variables, under each program's own name", () => {
    const own = {
      OTEL_SERVICE_NAME: "mine",
      OTEL_TRACES_SAMPLER: "traceidratio",
      OTEL_BSP_SCHEDULE_DELAY: "9",
    };
    expect(tracingEnvironment({ ...own, PATH: "/bin" }, JAEGER)).toEqual({
      OTEL_EXPORTER_OTLP_ENDPOINT: JAEGER,
      OTEL_TRACES_SAMPLER: "traceidratio",
      OTEL_BSP_SCHEDULE_DELAY: "9",
    });
  });

  test.each(["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])(
    "go to the user's %s, and not to the local Jaeger",
    (name) => {
      const own = { [name]: "http://collector:4318" };
      expect(tracesGoElsewhere(own)).toBe(true);
      expect(tracingEnvironment(own, JAEGER)).toEqual(own);
      expect(tracesGoElsewhere({ [name]: "" })).toBe(false);
    },
  );
});

test.each([
  [
    "without keys, the stand-in for all",
    { OPENAI_API_KEY: "" },
    "there is no key: a local stand-in answers for openai, anthropic, google, groq, perplexity, xai",
  ],
  [
    "with keys, the real APIs for those",
    { OPENAI_API_KEY: "k", GOOGLE_API_KEY_FILE: "/k" },
    "there is a key: the real API answers for openai, google; there is no key: a local stand-in answers for anthropic, groq, perplexity, xai",
  ],
  [
    "with another address, that address, key or not",
    { OPENAI_API_KEY: "k", SCBE_PROVIDER_URL_OPENAI: "http://127.0.0.1:1" },
    "SCBE_PROVIDER_URL_* is set: that address answers for openai; there is no key: a local stand-in answers for anthropic, google, groq, perplexity, xai",
  ],
])("the launcher reports what answers for each provider: %s", (_case, own, text) => {
  expect(providerAnswers(own)).toBe(text);
});
