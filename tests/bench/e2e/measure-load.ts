import { quantile } from "../harness.ts";

/** What calls that were always so many at a time came to. */
export interface Load {
  readonly calls: number;
  readonly perSecond: number;
  /** What 99 of 100 calls did not take longer than. */
  readonly p99Ms: number;
  /** Calls whose answer names a trace, which means that it is recorded. */
  readonly traced: number;
}

/** Makes calls for `forMs` milliseconds, with `inFlight` of them always under way. */
export async function measureLoad(
  call: () => Promise<unknown>,
  inFlight: number,
  forMs: number,
): Promise<Load> {
  const start = performance.now();
  const tookMs: number[] = [];
  let traced = 0;
  const lane = async () => {
    for (let now = start; now - start < forMs; ) {
      const answer = await call();
      const end = performance.now();
      tookMs.push(end - now);
      if (hasTrace(answer)) traced++;
      now = end;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const calls = tookMs.length;
  const perSecond = (calls * 1000) / (performance.now() - start);
  return { calls, perSecond, p99Ms: quantile(tookMs, 0.99), traced };
}

function hasTrace(answer: unknown): boolean {
  return typeof answer === "object" && answer !== null && "traceId" in answer;
}
