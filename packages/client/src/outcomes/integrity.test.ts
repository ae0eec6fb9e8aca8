import { randomBytes, randomUUID } from "node:crypto";
import { STATUS } from "@scbe/contracts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Arrived } from "../../test/scripted-gateway.ts";
import { says } from "../../test/scripts.ts";
import { ASKED, failureOf, saying, TrustStage } from "../../test/trust-stage.ts";
import type { RequestOptions } from "../index.ts";

/** Only what the provider alone can have made puts its integrity in doubt. */
let stage: TrustStage;
beforeAll(async () => {
  stage = await TrustStage.start();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
beforeEach(() => stage.reset());

type Script = (arrived: Arrived, nth: number) => void;

function request(change: Partial<RequestOptions> = {}) {
  return stage.client.request({ ...ASKED, provider: "openai", ...change });
}

describe("the integrity of a provider is in doubt", () => {
  const truly: Script = (arrived) => arrived.answer("true");
  const garbage: Script = ({ say }) => say(STATUS.sealed, randomBytes(600));
  const ofAnother: Script = ({ say, seal }) => say(STATUS.sealed, seal("x", { hash: randomBytes(32) }));
  const all =
    (...scripts: readonly Script[]): Script =>
    (arrived, nth) => {
      for (const script of scripts) script(arrived, nth);
    };

  test("when an answer to this very request does not open; the true one is taken all the same", async () => {
    const requestId = randomUUID();
    const events = await stage.told(async () => {
      await request();
      stage.openai.reset(all(says.broken, truly));
      const { body } = await request({ requestId });
      expect(Buffer.from(body).toString()).toBe("true");
    });
    expect(events.map(saying)).toEqual(["openai ok 1", "openai bound_response_fails", "openai ok 1"]);
    expect(events[1]).toMatchObject({ kind: "integrity", request_id: requestId });
  });

  test("once for each envelope, however many come", async () => {
    stage.openai.reset((arrived, nth) => {
      all(says.broken, says.broken)(arrived, nth);
      (nth === 1 ? says.busy : truly)(arrived, nth);
    });
    const events = await stage.told(() => request());
    const doubt = "openai bound_response_fails";
    expect(events.map(saying)).toEqual([doubt, doubt, "openai ok 1"]);
  });

  test.each<[string, Script]>([
    ["garbage", garbage],
    ["the answer to another envelope", ofAnother],
    ["one that is not there", ({ say }) => say(STATUS.sealed, new Uint8Array(0))],
    ["the request itself", ({ say, bytes }) => say(STATUS.sealed, bytes)],
    ["garbage in place of noise or of a problem", ({ send }) => send(randomBytes(600), {})],
  ])("and not for %s, which is a timeout", async (_case, script) => {
    stage.openai.reset(all(says.accepted, script));
    const events = await stage.told(async () =>
      expect(await failureOf(request({ timeoutMs: 500 }))).toMatchObject({ code: "TIMEOUT" }),
    );
    expect(events.map(saying)).toEqual(["openai timeout"]);
  });

  test("of the candidate that answered so, and of no other one", async () => {
    stage.openai.reset(all(says.accepted, says.broken));
    const events = await stage.told(() =>
      stage.client.request({ ...ASKED, providers: ["openai", "anthropic"], attemptTimeoutMs: 1000 }),
    );
    expect(events.map(saying)).toEqual(["openai bound_response_fails", "openai timeout", "anthropic ok 1"]);
  });
});
