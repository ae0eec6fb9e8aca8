import { describe, expect, test } from "vitest";
import { OwnFaults } from "./own-faults.ts";

const EPOCH = "e1";
const MINUTE_MS = 60_000;
const KIND = { intent: "chat", model: "gpt-5" };

/** After openai and anthropic have served a request at 0 ms. */
function served(): OwnFaults {
  const faults = new OwnFaults();
  for (const provider of ["openai", "anthropic"]) faults.answered(provider, KIND, 0);
  return faults;
}

function refused(
  faults: OwnFaults,
  nowMs: number,
  more: { epoch?: string | undefined; intent?: string; model?: string } = {},
) {
  return faults.refused({ provider: "openai", ...KIND, epoch: EPOCH, nowMs, ...more });
}

describe("noise", () => {
  test("counts against its provider the second time in one epoch, if another provider has answered since the first", () => {
    const faults = served();
    expect(refused(faults, 1)).toBe("refused");
    faults.answered("anthropic", KIND, 2);
    expect([3, 4].map((ms) => refused(faults, ms))).toEqual(["refused_again", "refused_again"]);
  });

  test.each<[string, (faults: OwnFaults) => void, string | undefined]>([
    ["the provider has opened a request since", (it) => it.answered("openai", KIND, 3), EPOCH],
    [
      "the provider opens requests of another intent",
      (it) => it.answered("openai", { ...KIND, intent: "tools" }, 3),
      EPOCH,
    ],
    ["the one before was for another epoch", () => undefined, "e2"],
    ["no guard has confirmed the epoch", () => undefined, undefined],
  ])("does not count when %s", (_when, meanwhile, epoch) => {
    const faults = served();
    refused(faults, 1);
    faults.answered("anthropic", KIND, 2);
    meanwhile(faults);
    expect(refused(faults, 4, { epoch })).toBe("refused");
  });

  test("of an unconfirmed epoch is not the first of two", () => {
    const faults = served();
    refused(faults, 1, { epoch: undefined });
    faults.answered("anthropic", KIND, 2);
    expect(refused(faults, 3)).toBe("refused");
  });

  test("does not count in a process that every provider refuses, however recently it was served", () => {
    const faults = served();
    for (let ms = 1; ms < 100; ms += 1) {
      for (const provider of ["openai", "anthropic"])
        expect(faults.refused({ provider, ...KIND, epoch: EPOCH, nowMs: ms })).toBe("refused");
    }
  });

  test("does not count for an intent or a model that the provider has never served", () => {
    const faults = served();
    for (const more of [{ intent: "tools" }, { model: "gpt-6" }]) {
      refused(faults, 1, more);
      faults.answered("anthropic", KIND, 2);
      expect([3, 4].map((ms) => refused(faults, ms, more))).toEqual(["refused", "refused"]);
    }
  });

  test("of alternating models counts like that of one", () => {
    const faults = served();
    faults.answered("openai", { ...KIND, model: "gpt-6" }, 0);
    refused(faults, 1);
    refused(faults, 2, { model: "gpt-6" });
    faults.answered("anthropic", KIND, 3);
    expect([refused(faults, 4), refused(faults, 5, { model: "gpt-6" })]).toEqual([
      "refused_again",
      "refused_again",
    ]);
  });

  test("long after the last one is a first one, and another provider's answer counts for a minute", () => {
    const faults = served();
    refused(faults, 1);
    faults.answered("anthropic", KIND, 2);
    expect(refused(faults, MINUTE_MS + 1)).toBe("refused");
    expect(refused(faults, MINUTE_MS + 3)).toBe("refused");
    faults.answered("anthropic", KIND, MINUTE_MS + 4);
    expect(refused(faults, MINUTE_MS + 5)).toBe("refused_again");
    expect(refused(faults, 2 * MINUTE_MS + 4)).toBe("refused");
  });

  test("of one provider does not count against another", () => {
    const faults = served();
    refused(faults, 1);
    faults.answered("xai", KIND, 2);
    expect(faults.refused({ provider: "anthropic", ...KIND, epoch: EPOCH, nowMs: 3 })).toBe("refused");
  });
});

describe("a reply that this process could not open, for a reason that can be its own", () => {
  test("lies with the provider once another one's answer has been opened since", () => {
    const faults = served();
    expect(faults.unopened("openai", 1)).toBe(false);
    faults.answered("anthropic", KIND, 2);
    expect(faults.unopened("openai", 3)).toBe(true);
    faults.answered("openai", KIND, 4);
    expect(faults.unopened("openai", 5)).toBe(false);
  });

  test("lies with the process while it opens no answer", () => {
    const faults = served();
    for (let ms = 1; ms < 100; ms += 1) {
      expect([faults.unopened("openai", ms), faults.unopened("anthropic", ms)]).toEqual([false, false]);
    }
  });
});
