import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Client, ErrorCode, RequestOptions } from "../src/index.ts";
import { says } from "./scripts.ts";
import { ASKED, failureOf, saying, TrustStage, VARIABLES } from "./trust-stage.ts";

/** Noise speaks against its provider only when nothing else can be the reason for it. */
let stage: TrustStage;
beforeAll(async () => {
  stage = await TrustStage.start();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
beforeEach(async () => {
  await stage.reset();
  await request();
});

const REFUSED = "openai refused";
const REFUSED_AGAIN = "openai refused_again";

function request(change: Partial<RequestOptions> = {}, client: Client = stage.client) {
  return client.request({ ...ASKED, provider: "openai", ...change });
}

async function noise(change: Partial<RequestOptions> = {}, client: Client = stage.client): Promise<void> {
  stage.openai.reset(says.noise);
  expect(await failureOf(request(change, client))).toMatchObject({ code: "REFUSED" });
  // Another provider answers: what this process seals is good.
  await request({ provider: "anthropic" }, client);
}

async function told(run: () => Promise<unknown>): Promise<string[]> {
  return (await stage.told(run)).map(saying).filter((it) => it.startsWith("openai refused"));
}

test("the second in a row under the epoch in force does, and each one after it", async () => {
  const events = await told(async () => {
    for (let n = 0; n < 3; n += 1) await noise();
  });
  expect(events).toEqual([REFUSED, REFUSED_AGAIN, REFUSED_AGAIN]);
});

test.each<[string, ErrorCode | undefined]>([
  ["with what it was asked for", undefined],
  ["that its handler has failed", "HANDLER_FAILED"],
  ["that the request is bad", "BAD_REQUEST"],
])("not when its provider has answered between them %s", async (_how, code) => {
  const events = await told(async () => {
    await noise();
    stage.openai.reset(code && says.problem(code));
    await request().catch(() => undefined);
    await noise();
  });
  expect(events).toEqual([REFUSED, REFUSED]);
});

test("not when the one before was for another epoch; the next one does", async () => {
  const events = await told(async () => {
    await noise();
    stage.deployment.guard.renew();
    await noise();
    expect(stage.openai.arrived).toHaveLength(2);
    await noise();
  });
  expect(events).toEqual([REFUSED, REFUSED, REFUSED_AGAIN]);
});

test("not while the guards do not say which epoch is in force", async () => {
  const events = await told(async () => {
    stage.deployment.guard.tells = false;
    for (let n = 0; n < 2; n += 1) await noise({ timeoutMs: 300 });
    stage.deployment.guard.tells = true;
    for (let n = 0; n < 2; n += 1) await noise();
  });
  expect(events).toEqual([REFUSED, REFUSED, REFUSED, REFUSED_AGAIN]);
});

test("not to a process that every provider refuses, though all have served it just before", async () => {
  const events = await told(async () => {
    for (const it of [stage.openai, stage.anthropic]) it.reset(says.noise);
    for (let n = 0; n < 3; n += 1) {
      for (const provider of ["openai", "anthropic"])
        expect(await failureOf(request({ provider }))).toMatchObject({ code: "REFUSED" });
    }
    stage.anthropic.reset(({ answer }) => answer("of anthropic"));
  });
  expect(events).toEqual([REFUSED, REFUSED, REFUSED]);
});

test("not of a model that its provider has never served to this process", async () => {
  const events = await told(async () => {
    for (let n = 0; n < 3; n += 1) await noise({ model: "gpt-99" });
  });
  expect(events).toEqual([REFUSED, REFUSED, REFUSED]);
});

test("not to a process none of whose envelopes any provider has opened", async () => {
  await using other = await stage.deployment.orchestrator({ variables: VARIABLES });
  const events = await told(async () => {
    stage.openai.reset(says.noise);
    for (let n = 0; n < 3; n += 1) await failureOf(request({}, other));
    await other[Symbol.asyncDispose]();
  });
  expect(events).toEqual([REFUSED, REFUSED, REFUSED]);
});
