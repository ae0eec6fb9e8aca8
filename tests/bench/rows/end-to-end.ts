import type { Stage } from "../e2e/stage.ts";
import type { Target } from "../e2e/targets.ts";
import type { Row, RowSource } from "../harness.ts";

/** Rows whose rounds are requests to processes of their own. */
const IN_FLIGHT = 64;
const ROUND_MS = 1500;
const ROUNDS = { rounds: 13 };
/** Of traced requests: the differences are small. */
const MORE_ROUNDS = { rounds: 21, warmUp: 2 };

export const e2eVsBare = rateRow(
  "e2e-64-vs-bare",
  "our requests a second, 64 in flight, 1 KiB, over bare NATS requests of the same body",
  { ours: "ours", against: "bare", ...ROUNDS },
);

/** The row keeps the name under which earlier results were recorded. */
export const e2eVsStub = rateRow(
  "e2e-64-vs-hollow",
  "the same over stub requests: the same hops, batched admits and four raw AES-GCM, nothing else",
  { ours: "ours", against: "stub", ...ROUNDS },
);

export const tracedAt1Percent = rateRow(
  "e2e-64-traced-1pct",
  "our requests a second, 64 in flight, 1 KiB, with 1 % of them traced, over ours without tracing",
  { ours: "ours-traced-1pct", against: "ours", ...MORE_ROUNDS },
);

export const tracedAt100Percent = rateRow("e2e-64-traced-100pct", "the same with every request traced", {
  ours: "ours-traced-100pct",
  against: "ours",
  ...MORE_ROUNDS,
});

export const hangingCollector = delayRow(
  "e2e-1-hanging-collector",
  "our 99th percentile, one request at a time, 1 % traced, to a collector that never answers, over ours without tracing",
  { ours: "ours-hanging-1pct", against: "ours", ...MORE_ROUNDS },
);

/** The cost of a collector that hangs, without the cost of making spans. */
export const hangingVsTaking = delayRow(
  "e2e-1-hanging-vs-taking",
  "our 99th percentile, one at a time, all traced, to a collector that never answers, over one that takes everything at once",
  { ours: "ours-hanging-100pct", against: "ours-traced-100pct", ...MORE_ROUNDS },
);

interface Comparison extends Pick<Row, "rounds" | "warmUp"> {
  readonly ours: Target;
  readonly against: Target;
}

function rateRow(name: string, says: string, comparison: Comparison): RowSource {
  return rowOf(name, says, comparison, {
    ...{ unit: "req/s", better: "higher" },
    measure: (stage, target) => stage.perSecond(target, IN_FLIGHT, ROUND_MS),
  });
}

/** One request at a time: any delay that the exporter adds shows, and no queue of requests hides it. */
function delayRow(name: string, says: string, comparison: Comparison): RowSource {
  return rowOf(name, says, comparison, {
    ...{ unit: "ms", better: "lower" },
    measure: (stage, target) => stage.p99Ms(target, 1, ROUND_MS),
  });
}

interface Figure extends Pick<Row, "unit" | "better"> {
  measure(stage: Stage, target: Target): Promise<number>;
}

function rowOf(
  name: string,
  says: string,
  { ours, against, ...rounds }: Comparison,
  { unit, better, measure }: Figure,
): RowSource {
  const open = async (start: () => Promise<Stage>): Promise<Row> => {
    const stage = await start();
    return {
      ...{ name, unit, better, ...rounds },
      ours: () => measure(stage, ours),
      against: () => measure(stage, against),
    };
  };
  return { name, says, open };
}
