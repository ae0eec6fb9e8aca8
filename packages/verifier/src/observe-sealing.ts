import { SESSION_BUDGETS, type SessionBudget } from "@scbe/contracts";
import type { Phase, Sealer, SealingObserver } from "@scbe/envelope";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter, histogram, watchGauge } from "@scbe/runtime";
import type { VerifierScope } from "./verifier-scope.ts";

/** Counts and times sealings, and counts sessions by what has ended the one before. */
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

/** Shows how full the fullest session in use is, by budget; without one, 0. */
export function showSessions(
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
