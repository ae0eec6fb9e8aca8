import { randomUUID } from "node:crypto";
import { excluded, latched } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Arrived } from "./scripted-gateway.ts";
import { says } from "./scripts.ts";
import { ASKED, failureOf, type Providers, saying, TrustStage } from "./trust-stage.ts";

/** What a document changes for a request that is under way when it arrives. */
let stage: TrustStage;
beforeAll(async () => {
  stage = await TrustStage.start();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
beforeEach(() => stage.reset());

const ALL = ["openai", "anthropic", "xai"];

function request() {
  return stage.client.request({ ...ASKED, providers: ALL });
}

/** Has trust become another when an envelope arrives; then the gateway says `then`. */
function speaking(providers: () => Providers, then: (arrived: Arrived) => void) {
  return (arrived: Arrived): void => {
    says.accepted(arrived);
    void stage.speak(providers()).then(() => then(arrived));
  };
}

const latchOpenai = (): Providers => ({ openai: latched() });

describe("a latch", () => {
  test("ends the flight to its provider, which is told, and the next one serves", async () => {
    stage.openai.reset(speaking(latchOpenai, says.nothing));
    const events = await stage.told(async () => {
      const answer = await request();
      const passedOver = [{ provider: "openai", model: "gpt-5", code: "DISTRUSTED", envelopes: 1 }];
      expect(answer).toMatchObject({ provider: "anthropic", passedOver });
      expect(stage.openai.cancelled).toEqual([stage.openai.arrived[0]?.hash]);
      await stage.speak({});
    });
    expect(events.map(saying)).toEqual(["anthropic ok 1"]);
  });

  test("ends a request that has no other provider, and a late answer is not taken", async () => {
    stage.openai.reset(speaking(latchOpenai, ({ answer }) => answer("late")));
    const error = await failureOf(stage.client.request({ ...ASKED, provider: "openai" }));
    expect(error.code).toBe("DISTRUSTED");
  });

  test("has no further envelope sent to its provider", async () => {
    stage.openai.reset(speaking(latchOpenai, says.noise));
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [{ code: "DISTRUSTED" }] });
    expect(stage.openai.arrived).toHaveLength(1);
  });

  test("is what its provider was passed over for, though it was to get no further envelope anyway", async () => {
    stage.openai.reset((arrived) => {
      if (stage.openai.arrived.length < 3) says.busy(arrived);
      else speaking(latchOpenai, says.nothing)(arrived);
    });
    const events = await stage.told(async () => {
      const { passedOver } = await request();
      expect(passedOver).toEqual([{ provider: "openai", model: "gpt-5", code: "DISTRUSTED", envelopes: 3 }]);
      await stage.speak({});
    });
    expect(events.map(saying)).toEqual(["anthropic ok 1"]);
  });

  test("of another provider leaves a flight alone", async () => {
    stage.openai.reset(
      speaking(
        () => ({ anthropic: latched() }),
        ({ answer }) => answer("ok"),
      ),
    );
    expect(await request()).toMatchObject({ provider: "openai", passedOver: [] });
  });

  test("between two attempts has its provider left out", async () => {
    stage.openai.reset(speaking(() => ({ anthropic: latched() }), says.problem("HANDLER_FAILED")));
    const { provider, passedOver } = await request();
    expect([provider, ...passedOver.map(({ code, envelopes }) => [code, envelopes])]).toEqual([
      "xai",
      ["HANDLER_FAILED", 1],
      ["DISTRUSTED", 0],
    ]);
    expect(stage.anthropic.arrived).toHaveLength(0);
  });

  test("that is cleared while the request is under way lets its provider be asked", async () => {
    await stage.speak({ anthropic: latched() });
    stage.openai.reset(says.problem("HANDLER_FAILED"));
    stage.xai.reset(speaking(() => ({}), says.problem("HANDLER_FAILED")));
    expect(await request()).toMatchObject({ provider: "anthropic" });
  });
});

describe("an exclusion", () => {
  test("leaves a flight alone", async () => {
    stage.openai.reset(
      speaking(
        () => ({ openai: excluded() }),
        ({ answer }) => answer("ok"),
      ),
    );
    expect(await request()).toMatchObject({ provider: "openai" });
  });

  test("leaves the order of the request as it was when it began", async () => {
    stage.openai.reset(speaking(() => ({ anthropic: excluded() }), says.problem("HANDLER_FAILED")));
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [{ provider: "openai" }] });
  });
});

test("a document that is older changes nothing of what is under way", async () => {
  const heardBefore = await stage.documents("old");
  const older = {
    v: 1,
    stream: { created: stage.created, seq: 1 },
    providers: { openai: latched() },
  } as const;
  stage.openai.reset((arrived) => {
    says.accepted(arrived);
    void stage.broadcast(older).then(async () => {
      await stage.heard("old", heardBefore);
      arrived.answer("ok");
    });
  });
  const requestId = randomUUID();
  expect(await stage.client.request({ ...ASKED, providers: ALL, requestId })).toMatchObject({
    provider: "openai",
  });
});
