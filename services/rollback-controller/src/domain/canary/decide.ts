import { type CanaryVerdict, cutText } from "@scbe/contracts";
import { type Decision, type Evidence, type Outcome, type StepFacts, TEXT_MAX } from "./canary-record.ts";
import { CRITERION_NAMES } from "./criteria.ts";
import { type Judgement, judgeMeasurement } from "./judge-measurement.ts";

/** A window this short holds a few scrapes, and `increase` stretches what it saw in them; of a short step, a quarter. */
const YOUNG_MS = 120_000;
/** The Watchdog comes every minute: after this long without it no alert would come either. */
const WATCHDOG_AGE_MAX_MS = 300_000;

/**
 * What is to become of a step, and why: the same for the same arguments, whenever it is asked.
 *
 * `abort`: the kill switch is engaged, or a criterion is broken by enough samples. `promote`: its time is over, every criterion is met by
 * enough samples, and alerts would come. `hold`: everything else. No lack of knowledge promotes or aborts.
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

/** A criterion that was not measured is one without data: that one is missing must not make the others enough. */
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
  const told = silences.over.map(({ id, alerts }) => `${id} over ${alerts.join(", ")}`).join("; ");
  return { name, outcome: "Inconclusive", says: `a safety alert is silenced: ${told}` };
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
