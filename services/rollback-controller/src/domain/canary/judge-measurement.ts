import type { Measurement, Outcome, StepFacts } from "./canary-record.ts";
import { requestsNeeded } from "./clean-requests.ts";
import { countsOf, SEQUENTIAL, sequentialScore } from "./sequential-test.ts";

export interface Judgement {
  readonly name: string;
  readonly outcome: Outcome;
  /** For people. */
  readonly says: string;
}

/** All that one measurement is judged next to. */
export interface Setting {
  readonly step: StepFacts;
  /** The step is so young that a window over it says little. */
  readonly isYoung: boolean;
  readonly measurements: readonly Measurement[];
}

/** What one measurement says by itself. */
export function judgeMeasurement(measurement: Measurement, setting: Setting): Judgement {
  const { name, value, samples, error, judge, at_once } = measurement;
  const tell = (outcome: Outcome, says: string): Judgement => ({ name, outcome, says: `${name}: ${says}` });
  if (at_once && typeof value === "number" && value >= measurement.limit)
    return tell("Failed", `${round(value)} is not below ${measurement.limit}`);
  if (error !== undefined) return tell("Error", `Prometheus does not answer: ${error}`);
  if (value === null || samples === null) return tell("Inconclusive", "no data");
  if (value === "NaN" || samples === "NaN")
    return tell("Inconclusive", "not a number, so nothing was measured");
  if (setting.isYoung) return tell("Inconclusive", "the step has only just begun");
  const [outcome, says] = JUDGES[judge]({ ...measurement, value, samples }, setting);
  return tell(outcome, says);
}

type Measured = Measurement & { readonly value: number; readonly samples: number };
type Judge = (measured: Measured, setting: Setting) => readonly [Outcome, string];

const JUDGES: Readonly<Record<Measurement["judge"], Judge>> = {
  limit: ({ value, samples, limit, samples_min }) => {
    if (samples < samples_min)
      return ["Inconclusive", `${round(samples)} samples, of the ${samples_min} that it takes`];
    if (value >= limit) return ["Failed", `${round(value)} is not below ${limit}`];
    return ["Successful", `${round(value)} is below ${limit}`];
  },
  sequential: ({ value, samples, limit, samples_min }) => {
    const counts = countsOf(value, samples);
    const score = round(sequentialScore(counts));
    const seen = `${counts.failures} of ${counts.checked} failed, a score of ${score}`;
    if (samples < samples_min) return ["Inconclusive", "nothing was checked"];
    if (score >= SEQUENTIAL.abortFrom)
      return ["Failed", `${seen}; from ${SEQUENTIAL.abortFrom} on it is too many`];
    if (score > SEQUENTIAL.promoteTo)
      return ["Inconclusive", `${seen}; it has to come down to ${SEQUENTIAL.promoteTo}`];
    if (value >= limit) return ["Inconclusive", `${seen}; a share of ${round(value)} is not below ${limit}`];
    return ["Successful", seen];
  },
  requests: ({ value }, { step, measurements }) => {
    if (step.next_share !== 100) return ["Successful", "asked for before 100 % alone"];
    if (step.override) return ["Successful", "a person has let it go on without them"];
    const needed = requestsNeeded(failuresIn(measurements));
    const seen = `${Math.floor(value)} of the ${needed} that it takes before 100 %`;
    return value >= needed ? ["Successful", seen] : ["Inconclusive", seen];
  },
};

/** Of all tags, the responses' too: at least those of the requests. Unknown ones let nothing through. */
function failuresIn(measurements: readonly Measurement[]): number {
  const share = measurements.find(({ judge }) => judge === "sequential");
  if (typeof share?.value !== "number" || typeof share.samples !== "number") return Number.POSITIVE_INFINITY;
  return countsOf(share.value, share.samples).failures;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
