import { STATUS } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { afterEach, expect, test } from "vitest";
import type { ControlApi } from "../kit/control-api.ts";
import { readMetric } from "../kit/scrape.ts";
import type { System } from "../kit/system.ts";

export interface SkewStage {
  readonly system: System;
  readonly api: ControlApi;
  /** Makes an authentic envelope for openai with a clock that is ahead by `ms`. */
  sealAhead(ms: number): Promise<Buffer>;
  /** The status of its opening at the envelope service. */
  statusOf(envelope: Uint8Array): Promise<string | undefined>;
}

/** The measurement, acceptance and refusal of clock skew, and temporary skew windows. Openers never accept more than `limitSeconds`. */
export function phaseSkew(
  stage: () => SkewStage,
  { usualSeconds, limitSeconds }: { readonly usualSeconds: number; readonly limitSeconds: number },
): void {
  const open = async (aheadMs: number): Promise<string | undefined> =>
    stage().statusOf(await stage().sealAhead(aheadMs));

  /** The measurements of openai, and the number of those of anthropic. */
  async function measured(): Promise<{ count: number; sumMs: number; within: number; other: number }> {
    const { envelope } = stage().system;
    if (envelope === undefined) throw new Error("no envelope service");
    const [counts, sums, buckets] = await Promise.all(
      ["count", "sum", "bucket"].map((part) => readMetric(envelope, `scbe_phase_skew_ms_${part}`)),
    );
    const of = (provider: string) => `phase="request",provider="${provider}"`;
    return {
      count: counts?.get(of("openai")) ?? 0,
      sumMs: sums?.get(of("openai")) ?? 0,
      within: buckets?.get(`le="2000",${of("openai")}`) ?? Number.NaN,
      other: counts?.get(of("anthropic")) ?? 0,
    };
  }

  afterEach(() => stage().api.skewWindow({ seconds: usualSeconds, duration: 0 }));

  test.each([
    ["ahead", 5000],
    ["behind", -5000],
  ])(
    "an envelope of a clock that is %s is measured for its provider, as an absolute value",
    async (_, ms) => {
      const before = await measured();
      for (const _ of [1, 2, 3]) expect(await open(ms)).toBe(STATUS.opened);
      expect(await open(0)).toBe(STATUS.opened);
      const after = await measured();
      expect(after.count - before.count).toBe(4);
      expect(after.within - before.within).toBe(1);
      const sumMs = after.sumMs - before.sumMs;
      expect(sumMs).toBeGreaterThan(9000);
      expect(sumMs).toBeLessThan(25_000);
      expect(after.other).toBe(before.other);
    },
  );

  test("refused envelopes are not measured: too far ahead, too far behind, or forged", async () => {
    const before = await measured();
    expect(await open((usualSeconds + 5) * 1000)).toBe(STATUS.refused);
    expect(await open(-600_000)).toBe(STATUS.refused);
    const forged = await stage().sealAhead(5000);
    forged.writeUInt8(forged.readUInt8(forged.length - 1) ^ 1, forged.length - 1);
    expect(await stage().statusOf(forged)).toBe(STATUS.refused);
    expect(await measured()).toEqual(before);
  });

  test("a skew window accepts clocks further ahead, up to the limit, and ends by itself", async () => {
    const { api } = stage();
    const wideMs = (usualSeconds + 60) * 1000;
    expect(await open(wideMs)).toBe(STATUS.refused);
    const set = await api.skewWindow({ seconds: 600, duration: "10m" });
    expect(set).toMatchObject({ seconds: 600 });
    expect(await open(wideMs)).toBe(STATUS.opened);
    expect(await open((limitSeconds + 5) * 1000)).toBe(STATUS.refused);
    await api.skewWindow({ seconds: 600, duration: 4 });
    expect(await open(wideMs)).toBe(STATUS.opened);
    await eventually(async () => (await open(wideMs)) === STATUS.refused, { timeoutMs: 15_000 });
    expect(await open(0)).toBe(STATUS.opened);
  });

  test("a window above 600 seconds, or for longer than a day, is refused", async () => {
    const { api } = stage();
    await expect(api.skewWindow({ seconds: 601, duration: "10m" })).rejects.toThrow("400");
    await expect(api.skewWindow({ seconds: 300, duration: "25h" })).rejects.toThrow("400");
    expect(await open((usualSeconds + 60) * 1000)).toBe(STATUS.refused);
  });
}
