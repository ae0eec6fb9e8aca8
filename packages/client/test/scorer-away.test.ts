import { patternOf } from "@scbe/contracts";
import { afterEach, expect, test } from "vitest";
import { says } from "./scripts.ts";
import { ASKED, failureOf, TrustStage } from "./trust-stage.ts";

/** No request waits for the trust scorer, and no client does for ever. */
let stage: TrustStage;
afterEach(() => stage?.[Symbol.asyncDispose]());

const CLOSED_WITHIN_MS = 15_000;

/** 21 failures of the first candidate, the noise of the second one, and one run of its successes at least. */
const TOLD_MIN = 23;

/** Some that are served, and one of each that is told by itself. */
async function requests(): Promise<void> {
  const request = () => stage.client.request({ ...ASKED, providers: ["openai", "anthropic"] });
  stage.openai.reset(says.problem("HANDLER_FAILED"));
  const answers = await Promise.all(Array.from({ length: 20 }, request));
  expect(new Set(answers.map(({ provider }) => provider))).toEqual(new Set(["anthropic"]));
  stage.anthropic.reset(says.noise);
  expect(await failureOf(request())).toMatchObject({ code: "REFUSED" });
}

async function reported(result: string): Promise<number> {
  const values = (await stage.metrics.getSingleMetric("scbe_outcome_reports_total")?.get())?.values ?? [];
  return values.find(({ labels }) => labels.result === result)?.value ?? 0;
}

async function closing(): Promise<number> {
  const startedAt = performance.now();
  await stage.client[Symbol.asyncDispose]();
  return performance.now() - startedAt;
}

test("where there is no trust scorer, requests are as ever, and the client can be closed", async () => {
  stage = await TrustStage.start({ scorer: false });
  await stage.reset();
  await requests();
  expect(await closing()).toBeLessThan(CLOSED_WITHIN_MS);
  expect(await reported("acknowledged")).toBe(0);
  expect(await reported("dropped")).toBeGreaterThanOrEqual(TOLD_MIN);
});

test("where the trust scorer does not answer, requests are as ever, and the client can be closed", async () => {
  stage = await TrustStage.start({ scorer: false });
  let heard = 0;
  await using _mute = stage.deployment.bus.subscribe(patternOf("trustTell"), () => {
    heard += 1;
  });
  await stage.deployment.bus.flush();
  await stage.reset();
  await requests();
  expect(await closing()).toBeLessThan(CLOSED_WITHIN_MS);
  expect(heard).toBeGreaterThan(0);
  expect(await reported("acknowledged")).toBe(0);
  expect(await reported("dropped")).toBeGreaterThanOrEqual(TOLD_MIN);
});
