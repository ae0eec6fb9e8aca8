import type { ResolvedRoute } from "../e2e/stage.ts";
import type { RowSource } from "./row-source.ts";

const ROUND_MS = 1500;
const ROUNDS = 21;
const WARM_UP = 2;

export const tracedAt1Percent = rateWhenTraced(
  "e2e-64-traced-1pct",
  "ours-traced-1pct",
  "our requests a second, 64 in flight, 1 KiB, with 1 % of them traced, over ours without tracing",
);

export const tracedAt100Percent = rateWhenTraced(
  "e2e-64-traced-100pct",
  "ours-traced-100pct",
  "the same with every request traced",
);

export const hangingCollector = delayByHanging(
  "e2e-1-hanging-collector",
  "ours-hanging-1pct",
  "ours",
  "our 99th percentile, one request at a time, 1 % traced, to a collector that never answers, over ours without tracing",
);

/** What hanging itself costs, apart from what it costs to make spans. */
export const hangingVsTaking = delayByHanging(
  "e2e-1-hanging-vs-taking",
  "ours-hanging-100pct",
  "ours-traced-100pct",
  "our 99th percentile, one at a time, all traced, to a collector that never answers, over one that takes everything at once",
);

function rateWhenTraced(name: string, way: ResolvedRoute, says: string): RowSource {
  const inFlight = 64;
  return {
    name,
    says,
    open: async (stage) => {
      const { perSecond } = await stage();
      return {
        name,
        unit: "req/s",
        better: "higher",
        rounds: ROUNDS,
        warmUp: WARM_UP,
        ours: () => perSecond(way, inFlight, ROUND_MS),
        against: () => perSecond("ours", inFlight, ROUND_MS),
      };
    },
  };
}

/** One at a time: whatever the exporter does to the path shows, and no queue of requests hides it. */
function delayByHanging(
  name: string,
  hanging: ResolvedRoute,
  against: ResolvedRoute,
  says: string,
): RowSource {
  return {
    name,
    says,
    open: async (stage) => {
      const { p99Ms } = await stage();
      return {
        name,
        unit: "ms",
        better: "lower",
        rounds: ROUNDS,
        warmUp: WARM_UP,
        ours: () => p99Ms(hanging, 1, ROUND_MS),
        against: () => p99Ms(against, 1, ROUND_MS),
      };
    },
  };
}
