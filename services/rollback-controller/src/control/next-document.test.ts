import {
  CONTROL_PROVIDERS_MAX,
  type ControlState,
  INTEGER_MAX,
  REASON_MAX,
  SignedControl,
} from "@scbe/contracts";
import { signControl } from "@scbe/envelope/control";
import { createIdentity } from "@scbe/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KILL_AHEAD, nextDocument } from "./next-document.ts";
import { firstState } from "./state.ts";

const NOW = 1_800_000_000_000;
const identity = createIdentity();
const PROVIDERS = Array.from({ length: CONTROL_PROVIDERS_MAX }, (_, n) => `provider-${n}`.padEnd(64, "x"));

function killedFor(reasons: readonly string[]): ControlState {
  const since = NOW;
  const kills = PROVIDERS.map((provider, n) => {
    const reason = (reasons[n % reasons.length] ?? "").slice(0, REASON_MAX);
    return [provider, { cause: "availability", reason, by: reason.slice(0, 64), since }] as const;
  });
  return {
    ...firstState("dev", PROVIDERS),
    kill_switch: { all: null, providers: Object.fromEntries(kills) },
    skew_window: { seconds: 1, until: NOW, reason: (reasons[0] ?? "").slice(0, REASON_MAX) },
  };
}

test("with any reasons, cut anywhere, a document can be signed and is not too long", () => {
  // Half of a surrogate pair comes from a cut, or from a posted body.
  const unit = fc.constantFrom("a", "\\", '"', "é", "語", "😀", "\ud83d", "\ude00");
  const reason = fc.array(unit, { minLength: 0, maxLength: 600 }).map((units) => units.join(""));
  fc.assert(
    fc.property(fc.array(reason, { minLength: 1, maxLength: 8 }), (reasons) => {
      const state = nextDocument(killedFor(reasons), { previous: 1, after: { generation: 1 }, nowMs: NOW });
      expect(SignedControl.safeParse(signControl(state, identity).signed).success).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test.each(Array.from({ length: 4 }, (_, at) => 38 + at))(
  "an emoji at character %i of long reasons does not block a kill",
  (at) => {
    const state = killedFor([`${"a".repeat(at)}😀${"\\".repeat(450)}`]);
    expect(() =>
      signControl(nextDocument(state, { previous: 1, after: { generation: 1 }, nowMs: NOW }), identity),
    ).not.toThrow();
  },
);

describe("the generation of a kill", () => {
  const of = (previous: number): number =>
    nextDocument(firstState("dev", []), { previous, after: { generation: 1 }, nowMs: NOW, ahead: KILL_AHEAD })
      .generation;

  test("is ahead of the time", () => {
    expect(of(1)).toBe(NOW + KILL_AHEAD.ms);
  });

  test("is ahead of all known generations, and many kills in a row are ahead of the time by less than a minute", () => {
    let generation = of(1);
    for (let kill = 0; kill < CONTROL_PROVIDERS_MAX; kill += 1) {
      const next = of(generation);
      expect(next).toBe(generation + 1 + KILL_AHEAD.generations);
      generation = next;
    }
    expect(generation - NOW).toBeLessThan(60_000);
  });
});

test("no generation exceeds the highest that verifiers accept, and nothing is signed above it", () => {
  const after = (previous: number) => () =>
    nextDocument(firstState("dev", []), { previous, after: { generation: 1 }, nowMs: NOW, ahead: KILL_AHEAD })
      .generation;
  expect(after(INTEGER_MAX - 1000)()).toBe(INTEGER_MAX - 1000 + 1 + KILL_AHEAD.generations);
  expect(after(INTEGER_MAX - 1)()).toBe(INTEGER_MAX);
  expect(after(INTEGER_MAX)).toThrow("there is none above it");
});
