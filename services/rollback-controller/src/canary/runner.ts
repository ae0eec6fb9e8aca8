import type { Clock, Logger } from "@scbe/runtime";
import type { Audit, ControlPlane } from "../ports.ts";
import { advance, stepFacts } from "./advance.ts";
import type { CanaryIntents } from "./intents.ts";
import { type Measure, NOT_MEASURED } from "./measure.ts";
import type { Canary, Decision, Evidence } from "./record.ts";
import { placeOf } from "./share.ts";
import { auditCanary, CanaryPage, type CanaryStore } from "./store.ts";

export interface CanaryRunnerOptions {
  readonly plane: Pick<ControlPlane, "current">;
  readonly store: CanaryStore;
  readonly intents: CanaryIntents;
  readonly measure: Measure;
  readonly audit: Pick<Audit, "append">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly isLeading: () => boolean;
  readonly onDecision: (provider: string, decision: Decision) => void;
}

/** Moves each canary from step to step while this controller leads. */
export class CanaryRunner {
  readonly #options: CanaryRunnerOptions;

  constructor(options: CanaryRunnerOptions) {
    this.#options = options;
  }

  /**
   * Advances every canary once. Of two controllers that do so at once, compare-and-set lets one through.
   * @throws what the control plane and the store throw; nothing is lost then, and the next pass continues
   */
  async pass(): Promise<void> {
    const { store, isLeading } = this.#options;
    if (!isLeading()) return;
    const { canaries } = await CanaryPage.read(store);
    for (const { provider, state, intent } of canaries) {
      if (state === "running" || intent !== null) await this.#passOf(provider);
    }
  }

  async #passOf(provider: string): Promise<void> {
    const { isLeading, intents } = this.#options;
    const { page, canary } = await intents.exclusively(() => this.#open(provider));
    if (canary?.state !== "running") return;
    const evidence = await this.#gather(canary);
    if (!isLeading()) return;
    await intents.exclusively(() => this.#advance(page, canary, evidence));
  }

  /** The canary after its abandoned intent was reconciled; undefined: another controller has taken it over. */
  async #open(provider: string): Promise<{ page: CanaryPage; canary: Canary | undefined }> {
    const { store, log, intents } = this.#options;
    const page = await CanaryPage.read(store);
    const canary = page.get(provider);
    if (canary === undefined || canary.intent === null) return { page, canary };
    log.warn(
      { provider, intent: canary.intent },
      "the controller reconciles an unfinished step of the canary",
    );
    return { page, canary: await intents.reconcile(page, canary) };
  }

  async #advance(page: CanaryPage, canary: Canary, evidence: Evidence): Promise<void> {
    const { plane, intents, clock } = this.#options;
    if (plane.current === undefined) return;
    const next = advance(canary, { state: plane.current.state, evidence, now: clock.now() });
    // An order or another controller's decision came first, and stays.
    if (!(await page.put(next))) return;
    this.#report(canary, next);
    await intents.carryOut(page, next);
  }

  /** Measures nothing for a canary whose share was changed or killed. */
  async #gather(canary: Canary): Promise<Evidence> {
    const { plane, measure, clock } = this.#options;
    if (plane.current === undefined || placeOf(canary, plane.current.state).is !== "held")
      return NOT_MEASURED;
    return measure({ provider: canary.provider, since: stepFacts(canary).since, now: clock.now() });
  }

  #report(before: Canary, after: Canary): void {
    const { log, audit, clock, onDecision } = this.#options;
    const { provider, state, why } = after;
    const decision = after.history.at(-1)?.decision;
    if (decision && decision !== before.history.at(-1)?.decision) onDecision(provider, decision);
    if (state === before.state) return;
    log.warn({ provider, state, why }, "the canary has stopped");
    auditCanary(audit, { before, after, at: clock.now(), by: after.by, reason: why });
  }
}
