import type { Clock, Logger } from "@scbe/runtime";
import { advance, stepFacts } from "../domain/canary/advance.ts";
import type { Canary, Decision, Evidence } from "../domain/canary/canary-record.ts";
import { placeOf } from "../domain/canary/place-of.ts";
import type { Audit, ControlPlane } from "../ports.ts";
import { auditCanary } from "./audit-canary.ts";
import type { CanaryIntents } from "./canary-intents.ts";
import { CanaryPage, type CanaryStore } from "./canary-store.ts";
import { type Measure, NOT_MEASURED } from "./measure.ts";

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

/** Takes each canary from step to step while this controller leads. */
export class CanaryRunner {
  readonly #options: CanaryRunnerOptions;

  constructor(options: CanaryRunnerOptions) {
    this.#options = options;
  }

  /**
   * Looks at every canary once. Of two that run at once, compare-and-set lets one go on.
   * @throws what the control plane and the store throw; nothing is lost by that, the next turn goes on
   */
  async turn(): Promise<void> {
    const { store, isLeading } = this.#options;
    if (!isLeading()) return;
    const { canaries } = await CanaryPage.read(store);
    for (const { provider, state, intent } of canaries) {
      if (state === "running" || intent !== null) await this.#turnOf(provider);
    }
  }

  async #turnOf(provider: string): Promise<void> {
    const { isLeading, intents } = this.#options;
    const { page, canary } = await intents.inLine(() => this.#open(provider));
    if (canary?.state !== "running") return;
    const evidence = await this.#look(canary);
    if (!isLeading()) return;
    await intents.inLine(() => this.#goOn(page, canary, evidence));
  }

  /** The canary without what somebody has left behind; undefined: it is somebody else's now. */
  async #open(provider: string): Promise<{ page: CanaryPage; canary: Canary | undefined }> {
    const { store, log, intents } = this.#options;
    const page = await CanaryPage.read(store);
    const canary = page.get(provider);
    if (canary === undefined || canary.intent === null) return { page, canary };
    log.warn({ provider, intent: canary.intent }, "settles a step that was left unfinished");
    return { page, canary: await intents.settle(page, canary) };
  }

  async #goOn(page: CanaryPage, canary: Canary, evidence: Evidence): Promise<void> {
    const { plane, intents, clock } = this.#options;
    if (plane.current === undefined) return;
    const next = advance(canary, { state: plane.current.state, evidence, now: clock.now() });
    // Whatever was ordered or decided elsewhere meanwhile stands.
    if (!(await page.put(next))) return;
    this.#tell(canary, next);
    await intents.carryOut(page, next);
  }

  /** Where the document has left the canary's place, nothing needs to be measured. */
  async #look(canary: Canary): Promise<Evidence> {
    const { plane, measure, clock } = this.#options;
    if (plane.current === undefined || placeOf(canary, plane.current.state).is !== "held")
      return NOT_MEASURED;
    return measure({ provider: canary.provider, since: stepFacts(canary).since, now: clock.now() });
  }

  #tell(before: Canary, after: Canary): void {
    const { log, audit, clock, onDecision } = this.#options;
    const { provider, state, why } = after;
    const decision = after.history.at(-1)?.decision;
    if (decision && decision !== before.history.at(-1)?.decision) onDecision(provider, decision);
    if (state === before.state) return;
    log.warn({ provider, state, why }, "the canary has come to rest");
    auditCanary(audit, { before, after, at: clock.now(), by: after.by, reason: why });
  }
}
