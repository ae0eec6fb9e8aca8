import fc from "fast-check";
import { expect, test } from "vitest";
import { Slots } from "./slots.ts";

test("slots hold what a Map would hold, whatever is added and removed", () => {
  const step = fc.oneof(fc.constant("add" as const), fc.nat(20));
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const slots = new Slots<{ id: number }>();
      const model = new Map<number, { id: number }>();
      for (const [id, what] of steps.entries()) {
        if (what === "add") {
          const slot = slots.add({ id });
          expect(model.has(slot)).toBe(false);
          model.set(slot, { id });
        } else {
          slots.remove(what);
          model.delete(what);
        }
        expect(slots.size).toBe(model.size);
      }
      for (let slot = -1; slot < 25; slot += 1) expect(slots.at(slot)).toEqual(model.get(slot));
      const byId = (a: { id: number }, b: { id: number }): number => a.id - b.id;
      expect([...slots].sort(byId)).toEqual([...model.values()].sort(byId));
    }),
  );
});

test("a number without a slot neither finds nor removes anything", () => {
  const slots = new Slots<string>();
  slots.add("only");
  for (const none of [Number.NaN, -1, 0.5, 1]) {
    slots.remove(none);
    expect(slots.at(none)).toBeUndefined();
  }
  expect(slots.size).toBe(1);
});

test("items may be removed while they are iterated", () => {
  const slots = new Slots<number>();
  const added = [0, 1, 2].map((item) => slots.add(item));
  const seen: number[] = [];
  for (const item of slots) {
    seen.push(item);
    for (const slot of added) slots.remove(slot);
  }
  expect(seen).toEqual([0, 1, 2]);
  expect(slots.size).toBe(0);
});
