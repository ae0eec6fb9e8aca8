import { randomBytes, randomUUID } from "node:crypto";
import { STATUS } from "@scbe/contracts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RequestOptions } from "../src/index.ts";
import { replies } from "./replies.ts";
import type { Arrived } from "./scripted-gateway.ts";
import { failureOf, REQUEST, summaryOf, TrustFixture } from "./trust-fixture.ts";

/** Only a reply that the provider alone can have made puts its integrity in doubt. */
let fixture: TrustFixture;
beforeAll(async () => {
  fixture = await TrustFixture.start();
});
afterAll(() => fixture?.[Symbol.asyncDispose]());
beforeEach(() => fixture.reset());

type Script = (arrived: Arrived, nth: number) => void;

function request(change: Partial<RequestOptions> = {}) {
  return fixture.client.request({ ...REQUEST, provider: "openai", ...change });
}

describe("the integrity of a provider comes into doubt", () => {
  const truly: Script = (arrived) => arrived.answer("true");
  const garbage: Script = ({ reply }) => reply(STATUS.sealed, randomBytes(600));
  const ofAnother: Script = ({ reply, seal }) => reply(STATUS.sealed, seal("x", { hash: randomBytes(32) }));
  const all =
    (...scripts: readonly Script[]): Script =>
    (arrived, nth) => {
      for (const script of scripts) script(arrived, nth);
    };

  test("after an answer that names the request and does not open: the request ends at once, and the client refuses the provider until it is cleared", async () => {
    const requestId = randomUUID();
    const events = await fixture.eventsDuring(async () => {
      await request();
      fixture.openai.reset(all(replies.accepted, replies.broken, truly));
      const startedAt = performance.now();
      expect(await failureOf(request({ requestId }))).toMatchObject({ code: "DISTRUSTED" });
      expect(performance.now() - startedAt).toBeLessThan(REQUEST.timeoutMs / 2);
      expect(await failureOf(request())).toMatchObject({ code: "DISTRUSTED" });
      expect(fixture.openai.arrived).toHaveLength(1);
      await fixture.clear();
      fixture.openai.reset(truly);
      await request();
    });
    expect(events.map(summaryOf)).toEqual(["openai ok 1", "openai bound_response_fails", "openai ok 1"]);
    expect(events[1]).toMatchObject({ kind: "integrity", request_id: requestId });
  });

  test("once for each request, even after several such answers", async () => {
    const events = await fixture.eventsDuring(async () => {
      fixture.openai.reset(all(replies.broken, replies.broken));
      expect(await failureOf(request())).toMatchObject({ code: "DISTRUSTED" });
      await fixture.clear();
    });
    expect(events.map(summaryOf)).toEqual(["openai bound_response_fails"]);
  });

  test.each<[string, Script]>([
    ["garbage", garbage],
    ["the answer to another envelope", ofAnother],
    ["an empty answer", ({ reply }) => reply(STATUS.sealed, new Uint8Array(0))],
    ["the request itself", ({ reply, bytes }) => reply(STATUS.sealed, bytes)],
    ["garbage without a status", ({ send }) => send(randomBytes(600), {})],
  ])("not after %s, which is a timeout", async (_case, script) => {
    fixture.openai.reset(all(replies.accepted, script));
    const events = await fixture.eventsDuring(async () =>
      expect(await failureOf(request({ timeoutMs: 500 }))).toMatchObject({ code: "TIMEOUT" }),
    );
    expect(events.map(summaryOf)).toEqual(["openai timeout"]);
  });

  test("only for the candidate that answered so; its open requests end at once, and the next candidate serves them", async () => {
    const events = await fixture.eventsDuring(async () => {
      fixture.openai.reset((arrived, nth) =>
        (nth < 3 ? replies.accepted : all(replies.accepted, replies.broken))(arrived, nth),
      );
      const send = () => fixture.client.request({ ...REQUEST, providers: ["openai", "anthropic"] });
      const answers = await Promise.all([send(), send(), send()]);
      const passedOver = [{ provider: "openai", code: "DISTRUSTED", envelopes: 1 }];
      for (const answer of answers) expect(answer).toMatchObject({ provider: "anthropic", passedOver });
      await fixture.clear();
    });
    expect(events.map(summaryOf)).toEqual(["openai bound_response_fails", "anthropic ok 3"]);
  });

  test("even without a scorer: it stays refused", async () => {
    await using alone = await TrustFixture.start({ scorer: false });
    await alone.reset();
    alone.openai.reset(all(replies.accepted, replies.broken));
    const send = () => failureOf(alone.client.request({ ...REQUEST, provider: "openai" }));
    expect([(await send()).code, (await send()).code]).toEqual(["DISTRUSTED", "DISTRUSTED"]);
    expect(alone.openai.arrived).toHaveLength(1);
  });
});
