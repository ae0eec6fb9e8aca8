import { errorCode, type RollbackPath } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/runtime";
import { type Incident, settle, speak } from "../domain/compare-paths.ts";
import type { ProcessedAlertsState } from "../domain/processed-alerts-state.ts";
import type { Audit } from "../ports.ts";
import type { ProcessedAlerts } from "./processed-alerts.ts";
import type { RollbackMetrics } from "./rollback-metrics.ts";

export interface SignalCrossCheckOptions {
  readonly acted: ProcessedAlerts;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RollbackMetrics;
  /** Only one controller looks for what has not come. */
  isLeading(): boolean;
  /** Tells people that only one path has spoken. */
  onAlone(provider: string, path: RollbackPath): void;
}

const LOOK_EVERY_MS = 5000;

/**
 * Nonce reuse is told on two paths: the guard's own event, and Prometheus's alert. One that stays silent is broken, or the other one
 * lies; either way a person has to know.
 */
export class SignalCrossCheck implements Disposable {
  readonly #options: SignalCrossCheckOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: SignalCrossCheckOptions, lookEveryMs = LOOK_EVERY_MS) {
    this.#options = options;
    this.#timer = setInterval(() => this.look(), lookEveryMs);
    this.#timer.unref();
  }

  /** A path has spoken of nonce reuse at a provider. */
  heard(path: RollbackPath, provider: string): void {
    const now = this.#options.clock.now();
    const incident = this.#options.acted.current.incidents[provider];
    if (incident !== undefined && speak(incident, path, now) === incident) return;
    this.#change(provider, (before) => speak(before, path, now));
  }

  /** Looks whether a path has been silent for too long. */
  look(): void {
    const { acted, clock, isLeading } = this.#options;
    if (!isLeading()) return;
    const now = clock.now();
    for (const [provider, incident] of Object.entries(acted.current.incidents)) {
      if (settle(incident, now) === incident) continue;
      this.#change(provider, (before) => before && settle(before, now));
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #change(provider: string, to: (before: Incident | undefined) => Incident | undefined): void {
    let [before, after]: (Incident | undefined)[] = [];
    const change = (state: ProcessedAlertsState): ProcessedAlertsState => {
      before = state.incidents[provider];
      after = to(before);
      if (after === undefined || after === before) return state;
      return { ...state, incidents: { ...state.incidents, [provider]: after } };
    };
    void this.#options.acted.update(change).then(
      (changed) => {
        if (changed && after !== undefined && after.verdict !== before?.verdict)
          this.#judged(provider, after);
      },
      (error: unknown) => {
        const code = errorCode(error);
        this.#options.log.warn({ code, provider }, "whether both paths spoke of a nonce reuse is not known");
      },
    );
  }

  #judged(provider: string, { verdict, first }: Incident): void {
    const { metrics, log, audit, clock, onAlone } = this.#options;
    if (verdict === "open") return;
    metrics.compared(first, verdict === "agreed");
    if (verdict === "agreed") {
      log.info({ provider, first }, "both paths have spoken of the nonce reuse");
      return;
    }
    const reason = ALONE[first];
    log.error({ provider, first }, `nonce reuse: ${reason}`);
    audit.append({
      at: clock.now(),
      action: "paths",
      by: "rollback-controller",
      reason: `${provider}: ${reason}`,
    });
    onAlone(provider, first);
  }
}

const ALONE: Readonly<Record<RollbackPath, string>> = {
  event: "only the guard's event has spoken, and no alert: are Prometheus and Alertmanager at work?",
  alert: "only the alert has spoken, and no event: does the guard reach the security stream?",
};
