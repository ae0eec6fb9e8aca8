import type { RollbackPath } from "@scbe/contracts";
import { errorCode } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/runtime";
import type { Audit } from "../ports.ts";
import type { RollbackMetrics } from "./metrics.ts";
import type { ProcessedAlerts } from "./processed-alerts.ts";
import { addSignal, closeIncident, type Incident, type ProcessedAlertsState } from "./processed-state.ts";

export interface SignalCrossCheckOptions {
  readonly processed: ProcessedAlerts;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RollbackMetrics;
  /** Only the leader looks for missing signals. */
  isLeading(): boolean;
  /** Notifies people that only one path has signalled. */
  onAlone(provider: string, path: RollbackPath): void;
}

const CHECK_EVERY_MS = 5000;

const ALONE: Readonly<Record<RollbackPath, string>> = {
  event: "only the guard's event arrived, and no alert: do Prometheus and Alertmanager run?",
  alert: "only the alert arrived, and no event of a guard: does the guard reach the security stream?",
};

/**
 * Nonce reuse is signalled on two paths: the guard's own event, and Prometheus's alert. If one path stays silent, either it is broken or
 * the other one lies. Both need a person.
 */
export class SignalCrossCheck implements Disposable {
  readonly #options: SignalCrossCheckOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: SignalCrossCheckOptions, checkEveryMs = CHECK_EVERY_MS) {
    this.#options = options;
    this.#timer = setInterval(() => this.#check(), checkEveryMs);
    this.#timer.unref();
  }

  /** A path has signalled nonce reuse at a provider. */
  signal(path: RollbackPath, provider: string): void {
    const now = this.#options.clock.now();
    const incident = this.#options.processed.current.incidents[provider];
    if (incident !== undefined && addSignal(incident, path, now) === incident) return;
    this.#change(provider, (before) => addSignal(before, path, now));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const { processed, clock, isLeading } = this.#options;
    if (!isLeading()) return;
    const now = clock.now();
    for (const [provider, incident] of Object.entries(processed.current.incidents)) {
      if (closeIncident(incident, now) === incident) continue;
      this.#change(provider, (before) => before && closeIncident(before, now));
    }
  }

  #change(provider: string, to: (before: Incident | undefined) => Incident | undefined): void {
    let [before, after]: (Incident | undefined)[] = [];
    const change = (state: ProcessedAlertsState): ProcessedAlertsState => {
      before = state.incidents[provider];
      after = to(before);
      if (after === undefined || after === before) return state;
      return { ...state, incidents: { ...state.incidents, [provider]: after } };
    };
    void this.#options.processed.update(change).then(
      (changed) => {
        if (changed && after !== undefined && after.verdict !== before?.verdict)
          this.#judged(provider, after);
      },
      (error: unknown) => {
        const fields = { code: errorCode(error), provider };
        this.#options.log.warn(fields, "whether both paths signalled a nonce reuse is not known");
      },
    );
  }

  #judged(provider: string, { verdict, first }: Incident): void {
    const { metrics, log, audit, clock, onAlone } = this.#options;
    if (verdict === "open") return;
    metrics.compared(first, verdict === "agreed");
    if (verdict === "agreed") {
      log.info({ provider, first }, "both paths have signalled the nonce reuse");
      return;
    }
    const reason = ALONE[first];
    log.error({ provider, first }, `nonce reuse: ${reason}`);
    audit.append({
      ...{ at: clock.now(), action: "paths", by: "rollback-controller" },
      reason: `${provider}: ${reason}`,
    });
    onAlone(provider, first);
  }
}
