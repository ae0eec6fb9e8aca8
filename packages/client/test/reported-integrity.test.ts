import { randomBytes, randomUUID } from "node:crypto";
import { STATUS } from "@scbe/contracts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RequestOptions } from "../src/index.ts";
import type { Arrived } from "./scripted-gateway.ts";
import { says } from "./scripts.ts";
import { ASKED, failureOf, saying, TrustStage } from "./trust-stage.ts";

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

  test("when an answer to this very request does not open: the request ends at once, and the client refuses the provider until a person clears it", async () => {
    const requestId = randomUUID();
    const events = await stage.told(async () => {
      await request();
      stage.openai.reset(all(says.accepted, says.broken, truly));
      const startedAt = performance.now();
      expect(await failureOf(request({ requestId }))).toMatchObject({ code: "DISTRUSTED" });
      expect(performance.now() - startedAt).toBeLessThan(ASKED.timeoutMs / 2);
      expect(await failureOf(request())).toMatchObject({ code: "DISTRUSTED" });
      expect(stage.openai.arrived).toHaveLength(1);
      await stage.clear();
      stage.openai.reset(truly);
      await request();
    });
    expect(events.map(saying)).toEqual(["openai ok 1", "openai bound_response_fails", "openai ok 1"]);
    expect(events[1]).toMatchObject({ kind: "integrity", request_id: requestId });
  });

  test("once for each request, however many come", async () => {
    const events = await stage.told(async () => {
      stage.openai.reset(all(says.broken, says.broken));
      expect(await failureOf(request())).toMatchObject({ code: "DISTRUSTED" });
      await stage.clear();
    });
    expect(events.map(saying)).toEqual(["openai bound_response_fails"]);
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

  test("of the candidate that answered so, and of no other one; the next one is asked at once, and all that is under way to it ends", async () => {
    const events = await stage.told(async () => {
      stage.openai.reset((arrived, nth) =>
        (nth < 3 ? says.accepted : all(says.accepted, says.broken))(arrived, nth),
      );
      const ask = () => stage.client.request({ ...ASKED, providers: ["openai", "anthropic"] });
      const answers = await Promise.all([ask(), ask(), ask()]);
      const passedOver = [{ provider: "openai", code: "DISTRUSTED", envelopes: 1 }];
      for (const answer of answers) expect(answer).toMatchObject({ provider: "anthropic", passedOver });
      await stage.clear();
    });
    expect(events.map(saying)).toEqual(["openai bound_response_fails", "anthropic ok 3"]);
  });

  test("without any scorer, too: it stays refused", async () => {
    await using alone = await TrustStage.start({ scorer: false });
    await alone.reset();
    alone.openai.reset(all(says.accepted, says.broken));
    const ask = () => failureOf(alone.client.request({ ...ASKED, provider: "openai" }));
    expect([(await ask()).code, (await ask()).code]).toEqual(["DISTRUSTED", "DISTRUSTED"]);
    expect(alone.openai.arrived).toHaveLength(1);
  });
});
