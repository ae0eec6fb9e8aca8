import { type TokenBucket, takeToken } from "@scbe/runtime";
import { expect, test } from "vitest";
import { leaseRate } from "./endpoints.ts";

const REPLICAS = 64;
const MINUTE = 60_000;

/** The number of these requests that are refused to a user. */
function refused(sentAtMs: readonly number[], leaseMs: number, verifiersMax: number): number {
  let bucket: TokenBucket | undefined;
  let count = 0;
  for (const at of sentAtMs.toSorted((a, b) => a - b)) {
    const next = takeToken(bucket, at, leaseRate({ leaseMs, verifiersMax }));
    if (next === undefined) count += 1;
    else bucket = next;
  }
  return count;
}

test.each([200, 1000, 5000, 60_000])(
  "no request of 64 replicas with leases of %i ms is refused, not even right after a change",
  (leaseMs) => {
    const each = (atMs: number) => Array.from({ length: REPLICAS }, () => atMs);
    const usual = Array.from({ length: Math.floor(MINUTE / (leaseMs * 0.45)) }, (_, n) =>
      each(n * leaseMs * 0.45),
    );
    // Four changes in one second, and one in each lease time.
    const changes = [1000, 1250, 1500, 1750, ...usual.map((_, n) => n * leaseMs)].map(each);
    const sent = [...usual, ...changes].flat();
    expect(refused(sent, leaseMs, REPLICAS)).toBe(0);
    expect(refused(sent, leaseMs, REPLICAS / 4)).toBeGreaterThan(0);
  },
);
