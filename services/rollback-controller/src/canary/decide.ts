import { type CanaryVerdict, cutText } from "@scbe/contracts";
import {
  CRITERION_NAMES,
  type Decision,
  type Evidence,
  type Measurement,
  type Outcome,
  type StepFacts,
  TEXT_MAX,
} from "./record.ts";
import { countsOf, requestsNeeded, SEQUENTIAL, sequentialScore } from "./sequential-test.ts";

/** A shorter window has only a few scrapes, and `increase` extrapolates from them; for a short step a quarter of it. */
const YOUNG_MS = 120_000;
/** The Watchdog alert comes every minute. After this long without it, other alerts would not arrive either. */
const WATCHDOG_AGE_MAX_MS = 300_000;

/**
 * The verdict on a step, with its reasons. The same arguments always give the same decision, word for word: a record can be replayed.
 *
 * `abort`: the kill switch is engaged, or a criterion fails with enough samples. `promote`: the step's time is over, every criterion succeeds
 * with enough samples, and alerts would arrive. `hold`: everything else. Missing data neither promotes nor aborts.
 */
export function decide(step: StepFacts, evidence: Evidence, now: number): Decision {
  if (evidence.killed !== null) {
    const killed: Judgement = {
      name: "kill_switch",
      outcome: "Failed",
      says: `kill switch: ${evidence.killed}`,
    };
    return decision("abort", [killed], { step, evidence, now });
  }
  const judged = [...judgeCriteria(step, evidence, now), judgeSilences(evidence), judgeWatchdog(evidence)];
  const broken = judged.filter(({ outcome }) => outcome === "Failed");
  if (broken.length > 0) return decision("abort", broken, { step, evidence, now, judged });

  const timed = [...judged, judgeTime(step, now)];
  const open = timed.filter(({ outcome }) => outcome !== "Successful");
  if (open.length > 0) return decision("hold", open, { step, evidence, now, judged: timed });

  return decision("promote", timed, { step, evidence, now, judged: timed });
}

interface Basis {
  readonly step: StepFacts;
  readonly evidence: Evidence;
  readonly now: number;
  readonly judged?: readonly Judgement[];
}

function decision(
  verdict: CanaryVerdict,
  why: readonly Judgement[],
  { step, evidence, now, judged = why }: Basis,
): Decision {
  const outcomes: Record<string, Outcome> = {};
  for (const { name, outcome } of judged) outcomes[name] = outcome;
  return { verdict, why: why.map(({ says }) => cutText(says, TEXT_MAX)), at: now, step, outcomes, evidence };
}

/** A criterion without a measurement is inconclusive: the others alone must not promote. */
function judgeCriteria(step: StepFacts, { measurements }: Evidence, now: number): Judgement[] {
  const isYoung = now - step.since < Math.min(YOUNG_MS, step.hold_ms / 4);
  return CRITERION_NAMES.map((name) => {
    const measurement = measurements.find((it) => it.name === name);
    if (measurement === undefined) return { name, outcome: "Inconclusive", says: `${name}: no data` };
    return judgeMeasurement(measurement, { step, isYoung, measurements });
  });
}

function judgeSilences({ silences }: Evidence): Judgement {
  const name = "silences";
  if (!silences.ok) return { name, outcome: "Error", says: `Alertmanager's silences: ${silences.reason}` };
  if (silences.over.length === 0) return { name, outcome: "Successful", says: "no safety alert is silenced" };
  const named = silences.over.map(({ id, alerts }) => `${id} over ${alerts.join(", ")}`).join("; ");
  return { name, outcome: "Inconclusive", says: `a safety alert is silenced: ${named}` };
}

function judgeWatchdog({ watchdog_age_ms: age }: Evidence): Judgement {
  const name = "watchdog";
  if (age === null) return { name, outcome: "Inconclusive", says: "the Watchdog alert has never come" };
  const seconds = Math.round(age / 1000);
  if (age > WATCHDOG_AGE_MAX_MS)
    return { name, outcome: "Inconclusive", says: `the Watchdog alert has not come for ${seconds} s` };
  return { name, outcome: "Successful", says: `the Watchdog alert came ${seconds} s ago` };
}

function judgeTime({ since, hold_ms }: StepFacts, now: number): Judgement {
  const name = "time";
  const left = since + hold_ms - now;
  if (left > 0)
    return { name, outcome: "Inconclusive", says: `the step lasts for ${Math.ceil(left / 1000)} s more` };
  return { name, outcome: "Successful", says: "the step's time is over" };
}

interface Judgement {
  readonly name: string;
  readonly outcome: Outcome;
  /** For people; stored with the decision. */
  readonly says: string;
}

/** What else the judgement of one measurement depends on. */
interface Context {
  readonly step: StepFacts;
  /** The step is too young for a meaningful window. */
  readonly isYoung: boolean;
  readonly measurements: readonly Measurement[];
}

function judgeMeasurement(measurement: Measurement, context: Context): Judgement {
  const { name, value, samples, error, judge, at_once } = measurement;
  const judgement = (outcome: Outcome, says: string): Judgement => ({
    name,
    outcome,
    says: `${name}: ${says}`,
  });
  if (at_once && typeof value === "number" && value >= measurement.limit)
    return judgement("Failed", `${round(value)} is not below ${measurement.limit}`);
  if (error !== undefined) return judgement("Error", `Prometheus does not answer: ${error}`);
  if (value === null || samples === null) return judgement("Inconclusive", "no data");
  if (value === "NaN" || samples === "NaN")
    return judgement("Inconclusive", "not a number, so nothing was measured");
  if (context.isYoung) return judgement("Inconclusive", "the step has only just begun");
  const [outcome, says] = JUDGES[judge]({ ...measurement, value, samples }, context);
  return judgement(outcome, says);
}

type Measured = Measurement & { readonly value: number; readonly samples: number };
type Judge = (measured: Measured, context: Context) => readonly [Outcome, string];

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

/** Failures among all tags, those of responses too, so at least the failures of requests. Infinity when unknown. */
function failuresIn(measurements: readonly Measurement[]): number {
  const share = measurements.find(({ judge }) => judge === "sequential");
  if (typeof share?.value !== "number" || typeof share.samples !== "number") return Number.POSITIVE_INFINITY;
  return countsOf(share.value, share.samples).failures;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
