import type { Load } from "./measure-load.ts";

/** With as many expected, that none comes has another reason than chance. */
const EXPECTED_MIN = 20;

/**
 * A round says nothing of what tracing costs when nothing was traced in it, or when something was where nothing should be.
 * @param share of the calls, 0 to 1, that are to be traced
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
