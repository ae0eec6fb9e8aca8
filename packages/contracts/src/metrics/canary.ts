import { CANARY_VERDICTS } from "./label-sets.ts";
import type { MetricRows } from "./metric-row.ts";

/** What a controller shows of canaries. */
export const CANARY = {
  scbe_canary_verdicts_total: {
    kind: "counter",
    of: ["rollback-controller"],
    help: "Decisions about a step of a canary; hold: nothing was changed",
    unit: "count",
    labels: { provider: "providers", verdict: CANARY_VERDICTS },
  },
} as const satisfies MetricRows;
