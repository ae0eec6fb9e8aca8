import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Client, ErrorCode, RequestOptions } from "../src/index.ts";
import { replies } from "./replies.ts";
import { failureOf, REQUEST, summaryOf, TrustFixture, VARIABLES } from "./trust-fixture.ts";

/** Noise counts against its provider only if it has no other possible cause. */
let fixture: TrustFixture;
beforeAll(async () => {
  fixture = await TrustFixture.start();
});
afterAll(() => fixture?.[Symbol.asyncDispose]());
beforeEach(async () => {
  await fixture.reset();
  await request();
});

const REFUSED = "openai refused";
const REFUSED_AGAIN = "openai refused_again";

function request(change: Partial<RequestOptions> = {}, client: Client = fixture.client) {
  return client.request({ ...REQUEST, provider: "openai", ...change });
}

async function noise(change: Partial<RequestOptions> = {}, client: Client = fixture.client): Promise<void> {
  fixture.openai.reset(replies.noise);
  expect(await failureOf(request(change, client))).toMatchObject({ code: "REFUSED" });
  // Another provider answers: this process seals correctly.
  await request({ provider: "anthropic" }, client);
}

async function refusalsDuring(run: () => Promise<unknown>): Promise<string[]> {
  return (await fixture.eventsDuring(run)).map(summaryOf).filter((it) => it.startsWith("openai refused"));
}

test("the second consecutive refusal in one epoch counts, and each one after it", async () => {
  const events = await refusalsDuring(async () => {
    for (let n = 0; n < 3; n += 1) await noise();
  });
  expect(events).toEqual([REFUSED, REFUSED_AGAIN, REFUSED_AGAIN]);
});

test.each<[string, ErrorCode | undefined]>([
  ["with a result", undefined],
  ["with a failure of its handler", "HANDLER_FAILED"],
  ["that the request is invalid", "BAD_REQUEST"],
])("a refusal does not count if the provider has answered %s since the last one", async (_how, code) => {
  const events = await refusalsDuring(async () => {
    await noise();
    fixture.openai.reset(code && replies.problem(code));
    await request().catch(() => undefined);
    await noise();
  });
  expect(events).toEqual([REFUSED, REFUSED]);
});

test("a refusal does not count if the last one was in another epoch; the next one does", async () => {
  const events = await refusalsDuring(async () => {
    await noise();
    fixture.deployment.guard.renew();
    await noise();
    expect(fixture.openai.arrived).toHaveLength(2);
    await noise();
  });
  expect(events).toEqual([REFUSED, REFUSED, REFUSED_AGAIN]);
});

test("a refusal does not count while the replay guards do not confirm the epoch", async () => {
  const events = await refusalsDuring(async () => {
    fixture.deployment.guard.tells = false;
    for (let n = 0; n < 2; n += 1) await noise({ timeoutMs: 300 });
    fixture.deployment.guard.tells = true;
    for (let n = 0; n < 2; n += 1) await noise();
  });
  expect(events).toEqual([REFUSED, REFUSED, REFUSED, REFUSED_AGAIN]);
});

test("refusals do not count in a process that every provider refuses, even if all have just served it", async () => {
  const events = await refusalsDuring(async () => {
    for (const it of [fixture.openai, fixture.anthropic]) it.reset(replies.noise);
    for (let n = 0; n < 3; n += 1) {
      for (const provider of ["openai", "anthropic"])
        expect(await failureOf(request({ provider }))).toMatchObject({ code: "REFUSED" });
    }
    fixture.anthropic.reset(({ answer }) => answer("of anthropic"));
  });
  expect(events).toEqual([REFUSED, REFUSED, REFUSED]);
});

test("refusals do not count for a model that the provider has never served to this process", async () => {
  const events = await refusalsDuring(async () => {
    for (let n = 0; n < 3; n += 1) await noise({ model: "gpt-99" });
  });
  expect(events).toEqual([REFUSED, REFUSED, REFUSED]);
});

test("refusals do not count in a process whose envelopes no provider has opened", async () => {
  await using other = await fixture.deployment.orchestrator({ variables: VARIABLES });
  const events = await refusalsDuring(async () => {
    fixture.openai.reset(replies.noise);
    for (let n = 0; n < 3; n += 1) await failureOf(request({}, other));
    await other[Symbol.asyncDispose]();
  });
  expect(events).toEqual([REFUSED, REFUSED, REFUSED]);
});
