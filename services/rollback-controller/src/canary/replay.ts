import { type CanaryVerdict, Name } from "@scbe/contracts";
import { z } from "zod";
import { decide } from "./decide.ts";
import { StepRecord } from "./record.ts";

/** One decision of a record, and the decision that its recorded input gives now. */
export interface ReplayedDecision {
  readonly provider: string;
  readonly step: number;
  readonly share: number;
  /** ms since the Unix epoch */
  readonly at: number;
  readonly recorded: CanaryVerdict;
  readonly verdict: CanaryVerdict;
  readonly why: readonly string[];
  /** Verdict, reasons and outcomes are those of the record. */
  readonly same: boolean;
}

const Recorded = z.object({ provider: Name, history: z.array(StepRecord) });
const RecordFile = z.union([
  z.object({ canaries: z.array(Recorded) }),
  z.object({ canaries: z.record(z.string(), Recorded) }),
  Recorded.transform((canary) => ({ canaries: [canary] })),
]);

/**
 * Repeats every decision of a record: an answer of `GET /canary`, one canary of it, or the value in the bucket.
 * @throws z.ZodError for anything else
 */
export function replayDecisions(record: unknown): readonly ReplayedDecision[] {
  const { canaries } = RecordFile.parse(record);
  return Object.values(canaries).flatMap(({ provider, history }) =>
    history.flatMap((step) => (step.decision === null ? [] : [replay(provider, step.decision, step)])),
  );
}

function replay(
  provider: string,
  recorded: NonNullable<StepRecord["decision"]>,
  { step, share }: StepRecord,
): ReplayedDecision {
  const again = decide(recorded.step, recorded.evidence, recorded.at);
  const same = JSON.stringify(essence(again)) === JSON.stringify(essence(recorded));
  const { verdict, why } = again;
  return { provider, step, share, at: recorded.at, recorded: recorded.verdict, verdict, why, same };
}

function essence({ verdict, why, outcomes }: NonNullable<StepRecord["decision"]>) {
  return [verdict, why, Object.entries(outcomes).sort(([a], [b]) => a.localeCompare(b))];
}
