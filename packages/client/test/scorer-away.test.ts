import { patternOf } from "@scbe/contracts";
import { afterEach, expect, test } from "vitest";
import { replies } from "./replies.ts";
import { failureOf, REQUEST, TrustFixture } from "./trust-fixture.ts";

/** No request waits for a trust scorer, and closing a client waits only for a limited time. */
let fixture: TrustFixture;
afterEach(() => fixture?.[Symbol.asyncDispose]());

const CLOSED_WITHIN_MS = 15_000;

/** 21 failures of the first candidate, the noise of the second one, and at least one run of its successes. */
const EVENTS_MIN = 23;

/** Sends requests with outcomes of both kinds: collected and immediate. */
async function requests(): Promise<void> {
  const request = () => fixture.client.request({ ...REQUEST, providers: ["openai", "anthropic"] });
  fixture.openai.reset(replies.problem("HANDLER_FAILED"));
  const answers = await Promise.all(Array.from({ length: 20 }, request));
  expect(new Set(answers.map(({ provider }) => provider))).toEqual(new Set(["anthropic"]));
  fixture.anthropic.reset(replies.noise);
  expect(await failureOf(request())).toMatchObject({ code: "REFUSED" });
}

async function reported(result: string): Promise<number> {
  const values = (await fixture.metrics.getSingleMetric("scbe_outcome_reports_total")?.get())?.values ?? [];
  return values.find(({ labels }) => labels.result === result)?.value ?? 0;
}

async function closeClient(): Promise<number> {
  const startedAt = performance.now();
  await fixture.client[Symbol.asyncDispose]();
  return performance.now() - startedAt;
}

test("without a trust scorer requests succeed, and the client can be closed", async () => {
  fixture = await TrustFixture.start({ scorer: false });
  await fixture.reset();
  await requests();
  expect(await closeClient()).toBeLessThan(CLOSED_WITHIN_MS);
  expect(await reported("acknowledged")).toBe(0);
  expect(await reported("dropped")).toBeGreaterThanOrEqual(EVENTS_MIN);
});

test("with a trust scorer that does not answer requests succeed, and the client can be closed", async () => {
  fixture = await TrustFixture.start({ scorer: false });
  let received = 0;
  await using _mute = fixture.deployment.bus.subscribe(patternOf("trustTell"), () => {
    received += 1;
  });
  await fixture.deployment.bus.flush();
  await fixture.reset();
  await requests();
  expect(await closeClient()).toBeLessThan(CLOSED_WITHIN_MS);
  expect(received).toBeGreaterThan(0);
  expect(await reported("acknowledged")).toBe(0);
  expect(await reported("dropped")).toBeGreaterThanOrEqual(EVENTS_MIN);
});
