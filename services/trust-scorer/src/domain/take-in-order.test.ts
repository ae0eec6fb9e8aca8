import { trustIn } from "@scbe/contracts";
import { expect, test } from "vitest";
import { OPENAI, replay, times, told } from "../../test/trust-story.ts";
import { type Delivery, HELD_MAX, openIntake, takeInOrder } from "./take-in-order.ts";
import { TRUST_DEFAULTS } from "./trust-state.ts";

const EMPTY = openIntake(replay([]));

/** As a consumer gets them: each names the one before. */
const inRow = (count: number): Delivery[] =>
  told(...times(count, [0, "timeout"] as const)).map((stored) => ({ ...stored, after: stored.seq - 1 }));

const takeAll = (from: typeof EMPTY, deliveries: readonly Delivery[]) =>
  deliveries.reduce((intake, delivery) => takeInOrder(intake, delivery, TRUST_DEFAULTS), from);

test("what is ahead of its turn waits, and counts when the one before has come", () => {
  const [first, second, third] = inRow(3) as [Delivery, Delivery, Delivery];
  const waiting = takeAll(EMPTY, [third, second, third]);
  expect(waiting).toMatchObject({ state: { stream: { seq: 0 } }, held: [{ seq: 2 }, { seq: 3 }] });
  expect(takeAll(waiting, [first])).toEqual(openIntake(replay([first, second, third])));
});

test("a gap that the stream itself has is none to wait for", () => {
  const [first, , third] = inRow(3) as [Delivery, Delivery, Delivery];
  const intake = takeAll(EMPTY, [first, { ...third, after: first.seq }]);
  expect(intake).toMatchObject({ state: { stream: { seq: 3 } }, held: [] });
});

test("the messages that are held are bounded, and a second reading brings what was dropped", () => {
  const story = inRow(HELD_MAX + 50);
  const full = takeAll(EMPTY, story.toReversed());
  expect(full).toMatchObject({ held: [], hasDropped: true, state: { stream: { seq: HELD_MAX + 1 } } });
  const again = takeAll(openIntake(full.state), story);
  expect(again).toEqual(openIntake(replay(story)));
  expect(trustIn(again.state, OPENAI).exclusions).toBe(1);
});
