import { randomUUID } from "node:crypto";
import { excluded, latched } from "@scbe/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { replies } from "./replies.ts";
import type { Arrived } from "./scripted-gateway.ts";
import { failureOf, type Providers, REQUEST, summaryOf, TrustFixture } from "./trust-fixture.ts";

/** The effect of a new trust document on open requests. */
let fixture: TrustFixture;
beforeAll(async () => {
  fixture = await TrustFixture.start();
});
afterAll(() => fixture?.[Symbol.asyncDispose]());
beforeEach(() => fixture.reset());

const ALL = ["openai", "anthropic", "xai"];

function request() {
  return fixture.client.request({ ...REQUEST, providers: ALL });
}

/** A script that publishes a trust document when an envelope arrives, then runs `then`. */
function changingTrust(providers: () => Providers, then: (arrived: Arrived) => void) {
  return (arrived: Arrived): void => {
    replies.accepted(arrived);
    void fixture.publishTrust(providers()).then(() => then(arrived));
  };
}

const latchOpenai = (): Providers => ({ openai: latched() });

describe("a latch", () => {
  test("ends the exchange with its provider and cancels it, and the next one serves", async () => {
    fixture.openai.reset(changingTrust(latchOpenai, replies.nothing));
    const events = await fixture.eventsDuring(async () => {
      const answer = await request();
      const passedOver = [{ provider: "openai", model: "gpt-5", code: "DISTRUSTED", envelopes: 1 }];
      expect(answer).toMatchObject({ provider: "anthropic", passedOver });
      expect(fixture.openai.cancelled).toEqual([fixture.openai.arrived[0]?.hash]);
      await fixture.publishTrust({});
    });
    expect(events.map(summaryOf)).toEqual(["anthropic ok 1"]);
  });

  test("ends a request that has no other provider, and a late answer is ignored", async () => {
    fixture.openai.reset(changingTrust(latchOpenai, ({ answer }) => answer("late")));
    const error = await failureOf(fixture.client.request({ ...REQUEST, provider: "openai" }));
    expect(error.code).toBe("DISTRUSTED");
  });

  test("prevents further envelopes to its provider", async () => {
    fixture.openai.reset(changingTrust(latchOpenai, replies.noise));
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [{ code: "DISTRUSTED" }] });
    expect(fixture.openai.arrived).toHaveLength(1);
  });

  test("is the reason in `passedOver`, even if the provider had used all its envelopes", async () => {
    fixture.openai.reset((arrived) => {
      if (fixture.openai.arrived.length < 3) replies.busy(arrived);
      else changingTrust(latchOpenai, replies.nothing)(arrived);
    });
    const events = await fixture.eventsDuring(async () => {
      const { passedOver } = await request();
      expect(passedOver).toEqual([{ provider: "openai", model: "gpt-5", code: "DISTRUSTED", envelopes: 3 }]);
      await fixture.publishTrust({});
    });
    expect(events.map(summaryOf)).toEqual(["anthropic ok 1"]);
  });

  test("of another provider does not affect an exchange", async () => {
    fixture.openai.reset(
      changingTrust(
        () => ({ anthropic: latched() }),
        ({ answer }) => answer("ok"),
      ),
    );
    expect(await request()).toMatchObject({ provider: "openai", passedOver: [] });
  });

  test("between two attempts skips its provider", async () => {
    fixture.openai.reset(changingTrust(() => ({ anthropic: latched() }), replies.problem("HANDLER_FAILED")));
    const { provider, passedOver } = await request();
    expect([provider, ...passedOver.map(({ code, envelopes }) => [code, envelopes])]).toEqual([
      "xai",
      ["HANDLER_FAILED", 1],
      ["DISTRUSTED", 0],
    ]);
    expect(fixture.anthropic.arrived).toHaveLength(0);
  });

  test("that is cleared during the request makes its provider available", async () => {
    await fixture.publishTrust({ anthropic: latched() });
    fixture.openai.reset(replies.problem("HANDLER_FAILED"));
    fixture.xai.reset(changingTrust(() => ({}), replies.problem("HANDLER_FAILED")));
    expect(await request()).toMatchObject({ provider: "anthropic" });
  });
});

describe("an exclusion", () => {
  test("does not affect an open exchange", async () => {
    fixture.openai.reset(
      changingTrust(
        () => ({ openai: excluded() }),
        ({ answer }) => answer("ok"),
      ),
    );
    expect(await request()).toMatchObject({ provider: "openai" });
  });

  test("does not change the order of an open request", async () => {
    fixture.openai.reset(changingTrust(() => ({ anthropic: excluded() }), replies.problem("HANDLER_FAILED")));
    expect(await request()).toMatchObject({ provider: "anthropic", passedOver: [{ provider: "openai" }] });
  });
});

test("an older document does not affect open requests", async () => {
  const before = await fixture.countDocuments("old");
  const older = {
    v: 1,
    stream: { created: fixture.created, seq: 1 },
    providers: { openai: latched() },
  } as const;
  fixture.openai.reset((arrived) => {
    replies.accepted(arrived);
    void fixture.broadcast(older).then(async () => {
      await fixture.awaitDocument("old", before);
      arrived.answer("ok");
    });
  });
  const requestId = randomUUID();
  expect(await fixture.client.request({ ...REQUEST, providers: ALL, requestId })).toMatchObject({
    provider: "openai",
  });
});
