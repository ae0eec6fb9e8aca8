import { expect, test, vi } from "vitest";
import { Listeners } from "./listeners.ts";

test("each listener runs on every change until it is disposed of", () => {
  const listeners = new Listeners<[string]>();
  const [kept, removed] = [vi.fn(), vi.fn()];
  listeners.add(kept);
  const subscription = listeners.add(removed);
  listeners.notify("one");
  subscription[Symbol.dispose]();
  listeners.notify("two");
  expect(kept.mock.calls).toEqual([["one"], ["two"]]);
  expect(removed.mock.calls).toEqual([["one"]]);
  listeners.clear();
  listeners.notify("three");
  expect(kept).toHaveBeenCalledTimes(2);
});

test("a function that was added twice runs twice, and each disposal removes one", () => {
  const listeners = new Listeners();
  const listener = vi.fn();
  const first = listeners.add(listener);
  listeners.add(listener);
  listeners.notify();
  first[Symbol.dispose]();
  listeners.notify();
  expect(listener).toHaveBeenCalledTimes(3);
});

test("a listener may remove itself and add others, which run from the next change on", () => {
  const listeners = new Listeners();
  const later = vi.fn();
  const own = listeners.add(() => {
    own[Symbol.dispose]();
    listeners.add(later);
  });
  listeners.notify();
  expect(later).not.toHaveBeenCalled();
  listeners.notify();
  expect(later).toHaveBeenCalledTimes(1);
});

test("an error of a listener reaches the handler of errors, and the others run; without a handler it is thrown", () => {
  const failing = (): void => {
    throw new Error("a defect");
  };
  const onError = vi.fn();
  const [guarded, plain] = [new Listeners(onError), new Listeners()];
  const after = vi.fn();
  for (const listener of [failing, after]) guarded.add(listener);
  guarded.notify();
  expect([onError.mock.calls.length, after.mock.calls.length]).toEqual([1, 1]);
  plain.add(failing);
  expect(() => plain.notify()).toThrow("a defect");
});
