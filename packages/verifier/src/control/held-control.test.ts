import { writeMessage } from "@scbe/contracts";
import { sign } from "@scbe/envelope/control";
import { systemClock } from "@scbe/runtime";
import { bytesOf, controller, documentOf, KILL, killing, stranger } from "@scbe/testkit";
import { expect, test } from "vitest";
import { HeldControl } from "./held-control.ts";

function holding(generationMin = 0) {
  const applied: number[] = [];
  const held = new HeldControl({
    clock: systemClock,
    env: "dev",
    publicKey: controller.publicKey,
    generationMin,
    onApplied: ({ state }) => applied.push(state.generation),
  });
  return { held, applied };
}

test("a document is held as soon as it is offered, and before the callback runs", () => {
  const seen: (number | undefined)[] = [];
  const held: HeldControl = new HeldControl({
    clock: systemClock,
    env: "dev",
    publicKey: controller.publicKey,
    generationMin: 0,
    onApplied: () => seen.push(held.document?.state.generation),
  });
  expect(held.offer(bytesOf(), false)).toBe("applied");
  expect(seen).toEqual([7]);
});

test("only a higher generation takes its place, and a former document never comes back", () => {
  const { held, applied } = holding();
  const [seventh, eighth] = [bytesOf(killing(KILL)), bytesOf({ generation: 8 })];
  expect([seventh, seventh, eighth, seventh, eighth].map((bytes) => held.offer(bytes, false))).toEqual([
    "applied",
    "old",
    "applied",
    "old",
    "old",
  ]);
  expect(applied).toEqual([7, 8]);
  expect(held.document).toEqual(documentOf({ generation: 8 }));
});

test("of two documents of one generation the one with a kill is held, in either order", () => {
  const both = [bytesOf(), bytesOf(killing(KILL))];
  for (const order of [both, both.toReversed()]) {
    const { held } = holding();
    for (const bytes of order) held.offer(bytes, false);
    expect(held.document?.state.kill_switch.all).toEqual(KILL);
  }
});

test("no document below the highest generation before the start is held", () => {
  const { held } = holding(8);
  expect(held.offer(bytesOf(), false)).toBe("old");
  expect(held.document).toBeUndefined();
  expect(held.offer(bytesOf({ generation: 8 }), false)).toBe("applied");
});

test.each([
  ["of a stranger", () => bytesOf({ generation: 9 }, stranger)],
  ["of another environment", () => bytesOf({ generation: 9, env: "prod" })],
  [
    "that is signed as a lease",
    () => {
      const signed = sign("lease", "dev", documentOf({ generation: 9 }).state, controller);
      return writeMessage({ v: 1, ...signed });
    },
  ],
  ["that is not one", () => Buffer.from("{}")],
])("a document %s is refused, and changes nothing", (_, bytes) => {
  const { held, applied } = holding();
  held.offer(bytesOf(), false);
  expect(held.offer(bytes(), false)).toBe("refused");
  expect(held.document).toEqual(documentOf());
  expect(applied).toEqual([7]);
});
