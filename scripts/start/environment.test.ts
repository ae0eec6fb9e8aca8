import { describe, expect, test } from "vitest";
import {
  baseEnvironment,
  pick,
  tracesGoElsewhere,
  tracingEnvironment,
  WAY_TO_PROVIDERS,
} from "./environment.ts";

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

describe("traces", () => {
  const JAEGER = "http://127.0.0.1:4318";

  test("go to the local Jaeger, soon after the request, and nowhere where there is none", () => {
    expect(tracingEnvironment({}, JAEGER)).toEqual({
      OTEL_EXPORTER_OTLP_ENDPOINT: JAEGER,
      OTEL_BSP_SCHEDULE_DELAY: "500",
    });
    expect(tracingEnvironment({}, undefined)).toEqual({});
  });

  test("are as the user's own OTEL_* variables say, under each part's own name", () => {
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
    "go where the user's %s says, and not to the local Jaeger",
    (name) => {
      const own = { [name]: "http://collector:4318" };
      expect(tracesGoElsewhere(own)).toBe(true);
      expect(tracingEnvironment(own, JAEGER)).toEqual(own);
      expect(tracesGoElsewhere({ [name]: "" })).toBe(false);
    },
  );
});
