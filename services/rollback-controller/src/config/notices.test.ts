import { environmentVariables } from "@scbe/bus";
import { defineConfig, readConfig } from "@scbe/runtime";
import { expect, test } from "vitest";
import { noticeVariables } from "./notices.ts";

const spec = defineConfig({ ...environmentVariables, ...noticeVariables });
const read = (env: Readonly<Record<string, string>>) => readConfig(spec, env);

test("nobody is told unless somebody is named", () => {
  expect(read({})).toMatchObject({
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
  const reading = read({ SCBE_ENVIRONMENT: env, [name]: value });
  expect(reading.ok ? [] : reading.problems).toEqual([expect.stringContaining(`${name}: `)]);
  expect(JSON.stringify(reading)).not.toContain("secret-part");
});

test("prod sends no event in the clear", () => {
  const reading = read({ SCBE_ENVIRONMENT: "prod", PAGERDUTY_URL: "http://proxy.example/enqueue" });
  expect(reading.ok ? [] : reading.problems).toEqual(["PAGERDUTY_URL: is not https, which prod demands"]);
});
