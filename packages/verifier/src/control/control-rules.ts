import type { Permission, Phase } from "@scbe/envelope";
import type { ControlDocument } from "@scbe/envelope/control";
import { killOf, routeOf } from "@scbe/envelope/control";
import type { ControlRoute } from "./control-view.ts";
import type { StalePolicy } from "./stale-policy.ts";

/** What a process knows of the control plane at some moment. */
export interface ControlFacts {
  readonly document: ControlDocument | undefined;
  /** True once a lease has stood. */
  readonly wasGranted: boolean;
  /** True while no lease stands. */
  readonly isStale: boolean;
  readonly policy: StalePolicy;
}

const UNKNOWN: ControlRoute = { way: "refused", why: "unknown" };
const STALE: ControlRoute = { way: "refused", why: "stale" };

/**
 * What may be sealed and opened. Flags say it of requests alone: the answer to a request that was sealed is sealed. A kill, and a
 * lost lease under the policy `refuse`, end everything.
 */
export class ControlRules implements Permission {
  readonly #facts: ControlFacts;

  /** @param facts looked at anew for each question */
  constructor(facts: ControlFacts) {
    this.#facts = facts;
  }

  route(provider: string, requestId: string): ControlRoute {
    const { document } = this.#facts;
    const refusal = this.#refusal();
    if (refusal !== undefined) return refusal;
    return document === undefined ? UNKNOWN : routeOf(document.state, provider, requestId);
  }

  permits(phase: Phase, provider: string, requestId: string): boolean {
    if (phase === "request") return this.route(provider, requestId).way === "sealed";
    const { document } = this.#facts;
    return (
      this.#refusal() === undefined &&
      document !== undefined &&
      killOf(document.state, provider) === undefined
    );
  }

  #refusal(): ControlRoute | undefined {
    const { wasGranted, isStale, policy } = this.#facts;
    if (!wasGranted) return UNKNOWN;
    return isStale && policy === "refuse" ? STALE : undefined;
  }
}
