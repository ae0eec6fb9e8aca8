import { ATTRIBUTES, beginSpan, recordedSpan, setFailure } from "@scbe/bus";
import { SESSION_BUDGETS, type SessionBudget } from "@scbe/contracts";
import {
  type OpeningKeys,
  type OpeningObserver,
  type Phase,
  REFUSALS,
  type Sealer,
  type SealingObserver,
  type TagCheck,
} from "@scbe/envelope";
import {
  type Clock,
  counter,
  histogram,
  type MetricsRegistry,
  type TokenBucket,
  takeToken,
  watchGauge,
} from "@scbe/runtime";
import type { AdmissionsObserver } from "./admissions.ts";
import type { HeldKeys } from "./held-keys.ts";

/** The phases and providers of a verifier: the values of its metrics' labels. */
export interface VerifierScope {
  readonly providers: readonly string[];
  readonly seals: readonly Phase[];
  readonly opens: readonly Phase[];
}

/**
 * Counts and times openings. Every label set exists from the start at 0: a series that starts at 1 shows no increase to an
 * alert. Only authentic envelopes are timed, so that forgeries cannot move the histograms.
 */
export function observeOpening(
  metrics: MetricsRegistry,
  { providers, opens }: VerifierScope,
  onTag: (check: TagCheck) => void,
): OpeningObserver {
  const ofPhase = { phase: opens, provider: providers };
  const verifyMs = histogram(metrics, "scbe_envelope_verify_ms", ofPhase);
  const skewMs = histogram(metrics, "scbe_phase_skew_ms", ofPhase);
  const openings = counter(metrics, "scbe_envelope_openings_total", ofPhase);
  const attempts = counter(metrics, "scbe_gcm_attempts_total", { provider: providers });
  const failures = counter(metrics, "scbe_gcm_failures_total", { provider: providers });
  const noise = opens.includes("request")
    ? counter(metrics, "scbe_fail_to_noise_count", { provider: providers })
    : undefined;
  return {
    tagChecked: (check) => {
      onTag(check);
      const { provider, verified } = check;
      attempts.inc({ provider });
      if (!verified) failures.inc({ provider });
    },
    verified: ({ phase, provider, ms, skewMs: skew }) => {
      verifyMs.observe({ phase, provider }, ms);
      skewMs.observe({ phase, provider }, Math.abs(skew));
    },
    released: ({ phase, provider }) => openings.inc({ phase, provider, result: "opened" }),
    refused: ({ phase, provider, reason }) => {
      openings.inc({ phase, provider, result: reason });
      if (phase === "request") noise?.inc({ provider });
    },
  };
}

/** Limits the traces that refusals begin: a flood of forgeries must not push traces of requests out of the exporter's queue. */
const REFUSAL_TRACES = { burst: 20, perSecond: 10 };

/**
 * Adds the reason of each refusal to the active span. A refusal without one, such as that of a forgery, begins a trace of its own, at a
 * limited rate. Only operators see traces; the sender learns nothing.
 */
export function traceOpening(observer: OpeningObserver, clock: Pick<Clock, "monotonic">): OpeningObserver {
  let bucket: TokenBucket | undefined;
  const begin = (): ReturnType<typeof beginSpan> | undefined => {
    const taken = takeToken(bucket, clock.monotonic(), REFUSAL_TRACES);
    if (taken === undefined) return undefined;
    bucket = taken;
    return beginSpan("scbe.open");
  };
  return {
    ...observer,
    refused: (facts) => {
      observer.refused(facts);
      const { phase, provider, reason } = facts;
      const active = recordedSpan();
      const span = active ?? begin();
      if (span === undefined || !span.isRecording()) return;
      const why = { [ATTRIBUTES.refusal]: reason, [ATTRIBUTES.refusalStep]: REFUSALS[reason] };
      span.setAttributes({ [ATTRIBUTES.phase]: phase, [ATTRIBUTES.provider]: provider, ...why });
      setFailure(span, reason);
      if (active === undefined) span.end();
    },
  };
}

/** Counts and times sealings, and counts new sessions by the reason why the one before ended. */
export function observeSealing(
  metrics: MetricsRegistry,
  { providers, seals }: VerifierScope,
): SealingObserver {
  const ofPhase = { phase: seals, provider: providers };
  const createMs = histogram(metrics, "scbe_envelope_create_ms", ofPhase);
  const sealedBytes = counter(metrics, "scbe_envelope_sealed_bytes_total", ofPhase);
  const started = counter(metrics, "scbe_envelope_sessions_started_total", ofPhase);
  return {
    sealed: ({ phase, provider, ms, bytes }) => {
      createMs.observe({ phase, provider }, ms);
      sealedBytes.inc({ phase, provider }, bytes);
    },
    started: ({ phase, provider, why }) => started.inc({ phase, provider, why }),
  };
}

/** Exports how full the fullest session in use is, by budget; 0 without a session. */
export function watchSessions(
  metrics: MetricsRegistry,
  sealer: Sealer,
  { providers, seals }: VerifierScope,
): Disposable {
  return watchGauge(metrics, "scbe_envelope_session_used_ratio", () => {
    const uses = sealer.sessionsInUse();
    const fullest = (phase: Phase, provider: string, budget: SessionBudget): number =>
      uses
        .filter((use) => use.phase === phase && use.provider === provider)
        .reduce((most, { used }) => Math.max(most, used[budget]), 0);
    return seals.flatMap((phase) =>
      providers.flatMap((provider) =>
        SESSION_BUDGETS.map(
          (budget) => [{ phase, provider, budget }, fullest(phase, provider, budget)] as const,
        ),
      ),
    );
  });
}

/** Disposing ends the gauge. */
export interface AdmissionMetrics extends AdmissionsObserver, Disposable {}

/** Times verdicts of the replay guard, and exports how many requests wait for one. */
export function observeAdmissions(
  metrics: MetricsRegistry,
  { providers }: VerifierScope,
  waiting: () => number,
): AdmissionMetrics {
  const admitMs = histogram(metrics, "scbe_admit_ms", { provider: providers });
  const gauge = watchGauge(metrics, "scbe_admits_waiting", () => [[{}, waiting()]]);
  return {
    decided: (provider, ms) => admitMs.observe({ provider }, ms),
    [Symbol.dispose]: () => gauge[Symbol.dispose](),
  };
}

/** Disposing ends the gauges. */
export interface KeyMetrics extends Disposable {
  tagChecked(check: TagCheck): void;
}

/** Exports how many keys are held, and the highest count of failed opens of one key. */
export function observeKeys(
  metrics: MetricsRegistry,
  held: HeldKeys,
  { providers, opens }: VerifierScope,
): KeyMetrics {
  const stack = new DisposableStack();
  const failed = new FailedOpens(held);
  stack.use(
    watchGauge(metrics, "scbe_envelope_keys_held", () =>
      providers.map((provider) => [{ provider }, held.countOf(provider)]),
    ),
  );
  stack.use(
    watchGauge(metrics, "scbe_envelope_failed_opens", () =>
      opens.flatMap((phase) =>
        providers.map((provider) => [{ phase, provider }, failed.most(phase, provider)] as const),
      ),
    ),
  );
  return {
    tagChecked: (check) => failed.note(check),
    [Symbol.dispose]: () => stack.dispose(),
  };
}

type CheckedKey = Pick<TagCheck, "phase" | "provider" | "intent" | "kid">;

/**
 * Counts the tags that did not verify under each held key, over its whole life: forgeries of one key have a budget. Keys that are no longer
 * held are forgotten, so the table has at most one entry for each key and phase.
 */
export class FailedOpens {
  readonly #keys: OpeningKeys;
  readonly #counts = new Map<string, { readonly key: CheckedKey; count: number }>();

  constructor(keys: OpeningKeys) {
    this.#keys = keys;
  }

  note({ verified, ...key }: TagCheck): void {
    if (verified) return;
    const id = `${key.phase} ${key.provider} ${key.intent} ${key.kid}`;
    const known = this.#counts.get(id);
    if (known === undefined) {
      this.#forget();
      this.#counts.set(id, { key, count: 1 });
    } else known.count += 1;
  }

  /** The highest count of one key. */
  most(phase: Phase, provider: string): number {
    this.#forget();
    const counts = [...this.#counts.values()]
      .filter(({ key }) => key.phase === phase && key.provider === provider)
      .map(({ count }) => count);
    return Math.max(0, ...counts);
  }

  #forget(): void {
    for (const [id, { key }] of this.#counts) {
      if (this.#keys.find(key.kid, key.provider, key.intent) === undefined) this.#counts.delete(id);
    }
  }
}
