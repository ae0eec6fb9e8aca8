import type { Permission, Phase } from "@scbe/envelope";
import type { ControlDocument, Route } from "@scbe/envelope/control";
import { killOf, routeOf } from "@scbe/envelope/control";

/**
 * Where a request goes, as this process knows it. `stale`: no lease is valid, and the policy is `refuse`; `unknown`: no lease was granted
 * yet; `distrusted`: the provider's integrity is in doubt.
 */
export type ControlRoute =
  | Route
  | { readonly way: "refused"; readonly why: "stale" | "unknown" | "distrusted" };

/** What a process knows of the control plane. */
export interface ControlView extends Permission {
  /** The held document; undefined before the first one, and without a control plane. */
  readonly document: ControlDocument | undefined;
  /** True without a valid lease. */
  readonly isStale: boolean;
  /** The same for every attempt of one request while the document is the same; `sealed` without a control plane. */
  route(provider: string, requestId: string): ControlRoute;
  /** Runs `listener` synchronously with each change that may change {@link route}. */
  onChange(listener: () => void): Disposable;
}

/** The control plane of a verifier. */
export interface Control extends ControlView, AsyncDisposable {}

/** Without a valid lease: obey the last known document (`hold`), or seal and open nothing (`refuse`). */
export type StalePolicy = "hold" | "refuse";

/** What a process knows of the control plane at one moment. */
export interface ControlFacts {
  readonly document: ControlDocument | undefined;
  /** True once a lease was granted. */
  readonly wasGranted: boolean;
  /** True without a valid lease. */
  readonly isStale: boolean;
  readonly policy: StalePolicy;
}

const UNKNOWN: ControlRoute = { way: "refused", why: "unknown" };
const STALE: ControlRoute = { way: "refused", why: "stale" };

/**
 * Decides what may be sealed and opened. A flag stops requests only: the answer to a sealed request is still sealed. A kill stops
 * both, and so does a lost lease under the policy `refuse`.
 */
export class ControlRules implements Permission {
  readonly #facts: ControlFacts;

  /** @param facts is read again for each decision */
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

export interface SkewBounds {
  readonly usualSeconds: number;
  /** A document cannot exceed this. */
  readonly limitSeconds: number;
}

/**
 * How far a sealer's clock and ours may be apart at `nowMs` (ms since the Unix epoch): the usual bound, or more while the document's skew
 * window lasts.
 */
export function skewSeconds(
  document: ControlDocument | undefined,
  { usualSeconds, limitSeconds }: SkewBounds,
  nowMs: number,
): number {
  const window = document?.state.skew_window ?? undefined;
  if (window === undefined || nowMs >= window.until) return usualSeconds;
  return Math.max(usualSeconds, Math.min(window.seconds, limitSeconds));
}
