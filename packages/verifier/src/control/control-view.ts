import type { Permission } from "@scbe/envelope";
import type { ControlDocument, Route } from "@scbe/envelope/control";

/**
 * Where a request goes, as this process knows it. `stale`: its lease is lost, and the policy is to refuse; `unknown`: it holds no document
 * yet; `distrusted`: the provider's integrity is in doubt.
 */
export type ControlRoute =
  | Route
  | { readonly way: "refused"; readonly why: "stale" | "unknown" | "distrusted" };

/** What a process knows of the control plane, for whoever decides where a request goes. */
export interface ControlView extends Permission {
  /** What is held; undefined before the first one, and where nothing is obeyed. */
  readonly document: ControlDocument | undefined;
  /** True while no lease stands. */
  readonly isStale: boolean;
  /** The same for every try of one request while the document stays the same; `sealed` where nothing is obeyed. */
  route(provider: string, requestId: string): ControlRoute;
  /** Runs `listener` whenever {@link route} may say something else, in the turn in which it does. */
  onChange(listener: () => void): Disposable;
}
