import fc from "fast-check";
import { expect, test } from "vitest";
import { UsualTimes } from "./usual-times.ts";

const OPENAI = "openai";

function after(times: readonly number[]): UsualTimes {
  const usual = new UsualTimes();
  for (const ms of times) {
    if (ms >= 0) usual.answered(OPENAI, ms);
    else usual.missed(OPENAI, -ms);
  }
  return usual;
}

const times = (count: number, ms: number): number[] => Array.from({ length: count }, () => ms);

test("a time is usual after twenty answers within half of it; one in twenty can take longer", () => {
  expect(after(times(19, 100)).isUsual(OPENAI, 200)).toBe(false);
  expect(after(times(20, 100)).isUsual(OPENAI, 200)).toBe(true);
  expect(after([...times(1, 900), ...times(19, 100)]).isUsual(OPENAI, 200)).toBe(true);
  expect(after([...times(2, 900), ...times(19, 100)]).isUsual(OPENAI, 200)).toBe(false);
});

test("a time below the provider's usual never becomes usual, however often it is missed", () => {
  const slow = [...times(100, 500), ...times(500, -100)];
  expect(after(slow).isUsual(OPENAI, 100)).toBe(false);
  expect(after(slow).isUsual(OPENAI, 999)).toBe(false);
  expect(after(slow).isUsual(OPENAI, 1000)).toBe(true);
});

test("a time within which only half of the requests are answered is not usual", () => {
  const half = times(100, 0).flatMap((_, n) => (n % 2 === 0 ? [40] : [-100]));
  expect(after(half).isUsual(OPENAI, 100)).toBe(false);
});

test("a provider that stops answering is measured by its earlier answers", () => {
  for (const count of [5, 300, 10_000])
    expect(after([...times(50, 100), ...times(count, -1000)]).isUsual(OPENAI, 1000)).toBe(true);
});

test("an unknown provider has no usual time", () => {
  expect(after(times(100, 1)).isUsual("xai", 1e9)).toBe(false);
});

test("without misses, a time is usual if a shorter one is", () => {
  const answers = fc.array(fc.nat(1000), { maxLength: 400 });
  fc.assert(
    fc.property(answers, fc.nat(1000), fc.nat(1000), (seen, ms, more) => {
      const usual = after(seen);
      if (usual.isUsual(OPENAI, ms)) expect(usual.isUsual(OPENAI, ms + more)).toBe(true);
    }),
    { numRuns: 500 },
  );
});
