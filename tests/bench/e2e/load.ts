import { quantile } from "../harness.ts";

/** One round that a caller's process is ordered to run. */
export interface LoadOrder {
  readonly inFlight: number;
  readonly forMs: number;
}

/** What the process reports of it. */
export type LoadReport = Load | { readonly failed: string };

/** A round of calls, with a constant number in flight. */
export interface Load {
  readonly calls: number;
  readonly perSecond: number;
  /** The 99th percentile of the calls' durations. */
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

/** If this many traced calls are expected, chance does not explain that there is none. */
const EXPECTED_MIN = 20;

/**
 * A round measures the cost of tracing only if as many of its calls were traced as its target traces.
 * @param share of the calls, 0 to 1, that the target traces
 * @throws Error
 */
export function assertSampled({ calls, traced }: Load, share: number): void {
  const isOff = calls * share >= EXPECTED_MIN && traced === 0;
  const isOn = share === 0 && traced > 0;
  const isPartly = share === 1 && traced < calls;
  if (isOff || isOn || isPartly) {
    throw new Error(`${traced} of ${calls} requests were traced; ${share * 100} % of them should be`);
  }
}
