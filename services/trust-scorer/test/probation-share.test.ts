import { PROBATION_SHARES, trustLabel } from "@scbe/contracts";
import { isInside } from "@scbe/envelope/control";
import fc from "fast-check";
import { expect, test } from "vitest";

const IDS = fc.sample(fc.uuid(), { numRuns: 20_000, seed: 1 });
const partOf = (ids: readonly string[], holds: (id: string) => boolean) =>
  ids.filter(holds).length / ids.length;

test("a request inside a probation share stays inside as the share grows, and shares have their nominal size", () => {
  const inside = PROBATION_SHARES.map((share) =>
    IDS.filter((id) => isInside(trustLabel("openai"), id, share)),
  );
  for (const [n, share] of PROBATION_SHARES.entries()) {
    expect(Math.abs((inside[n]?.length ?? 0) / IDS.length - share / 100)).toBeLessThan(0.02);
    const larger = new Set(inside[n + 1] ?? IDS);
    expect(inside[n]?.every((id) => larger.has(id))).toBe(true);
  }
});

test("the flag's share and the share of trust are independent: half of one half is inside the other", () => {
  const sealed = IDS.filter((id) => isInside("openai", id, 50));
  const back = partOf(sealed, (id) => isInside(trustLabel("openai"), id, 50));
  expect(Math.abs(back - 0.5)).toBeLessThan(0.02);
});
