import { OPENING_TOKEN_RESULTS } from "./label-sets.ts";
import type { MetricRows } from "./metric-row.ts";

/** What an envelope service shows beside what every verifier does. */
export const ENVELOPE = {
  scbe_opening_tokens_total: {
    kind: "counter",
    of: ["envelope"],
    help: "Opening tokens that came with a response: taken, or why the response was refused; foreign: another user's or request's, or forged",
    unit: "count",
    labels: { provider: "providers", result: OPENING_TOKEN_RESULTS },
  },
} as const satisfies MetricRows;
