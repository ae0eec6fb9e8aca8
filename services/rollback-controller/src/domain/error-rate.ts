import { z } from "zod";

/** Numbers by provider. */
export type ByProvider = Readonly<Record<string, number | null>>;

const Rate = z.object({
  requests: z.number().describe("Requests that ended"),
  failed: z.number().describe("Those that failed, without those that were switched off"),
  switched_off: z.number().describe("Those that the kill switch or a flag refused"),
  error_rate: z.number().nullable().describe("failed / requests, 0 to 1; null: there were none"),
  switched_off_rate: z.number().nullable().describe("switched_off / requests"),
});
type Rate = z.infer<typeof Rate>;

/** Answer of `GET /api/metrics/error-rate`, without the time. */
export const ErrorRate = Rate.extend({ providers: z.record(z.string(), Rate) });
export type ErrorRate = z.infer<typeof ErrorRate>;

/**
 * Shares of failed requests, of all and by provider. What was refused on purpose is told apart: after a kill the errors must be
 * seen to end, although everything is refused.
 */
export function errorRate(requests: ByProvider, failed: ByProvider, switchedOff: ByProvider): ErrorRate {
  const names = Object.keys(requests).sort();
  const of = (name: string): Rate => rateOf(requests[name] ?? 0, failed[name] ?? 0, switchedOff[name] ?? 0);
  const sum = (values: ByProvider): number => names.reduce((total, name) => total + (values[name] ?? 0), 0);
  return {
    ...rateOf(sum(requests), sum(failed), sum(switchedOff)),
    providers: Object.fromEntries(names.map((name) => [name, of(name)])),
  };
}

function rateOf(requests: number, failed: number, switchedOff: number): Rate {
  const share = (part: number): number | null => (requests > 0 ? rounded(part / requests, 6) : null);
  return {
    requests: rounded(requests, 1),
    failed: rounded(failed, 1),
    switched_off: rounded(switchedOff, 1),
    error_rate: share(failed),
    switched_off_rate: share(switchedOff),
  };
}

/** An increase is extrapolated to the whole window, and so has many digits that say nothing. */
function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
