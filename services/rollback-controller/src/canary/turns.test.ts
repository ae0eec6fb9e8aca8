import { expect, test, vi } from "vitest";
import { Turns } from "./turns.ts";

test("turns follow one another and never overlap, and nudges before a turn are one", async () => {
  vi.useFakeTimers();
  try {
    const gates: (() => void)[] = [];
    const turns = new Turns(() => new Promise<void>((resolve) => gates.push(resolve)), 1000);
    turns.soon(100);
    turns.soon(100);
    await vi.advanceTimersByTimeAsync(100);
    expect(gates).toHaveLength(1);
    turns.soon(100);
    await vi.advanceTimersByTimeAsync(2000);
    expect(gates).toHaveLength(1);
    gates[0]?.();
    await vi.advanceTimersByTimeAsync(100);
    expect(gates).toHaveLength(2);
    gates[1]?.();
    await turns[Symbol.asyncDispose]();
    turns.soon(100);
    await vi.advanceTimersByTimeAsync(5000);
    expect(gates).toHaveLength(2);
  } finally {
    vi.useRealTimers();
  }
});
