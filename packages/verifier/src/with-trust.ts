import { isLatched, ScbeError, trustIn } from "@scbe/contracts";
import type { ControlRoute, ControlView } from "./control/control-view.ts";
import type { OwnLatches } from "./own-latches.ts";
import type { TrustView } from "./trust/trust-view.ts";

const DISTRUSTED: ControlRoute = { way: "refused", why: "distrusted" };

/** Where this process tells of trust itself. */
export interface OwnTrust {
  /** The bus user that it tells as. */
  readonly teller: string;
  readonly latches: Pick<OwnLatches, "has" | "onChange">;
}

/**
 * What the control plane says, and that a provider whose integrity is in doubt is refused, sealed or not: in doubt for all, for this process's own user, or by
 * what this process saw itself. A doubtful quality refuses nothing: the requester looks for a better provider, and the last one left is still served.
 */
export function withTrust(control: ControlView, trust: TrustView, own?: OwnTrust): ControlView {
  const isRefused = (provider: string): boolean =>
    own?.latches.has(provider) === true ||
    (trust.document !== undefined && isLatched(trustIn(trust.document, provider), own?.teller));
  return {
    get document() {
      return control.document;
    },
    get isStale() {
      return control.isStale;
    },
    route: (provider, requestId) => (isRefused(provider) ? DISTRUSTED : control.route(provider, requestId)),
    permits: (phase, provider, requestId) =>
      !isRefused(provider) && control.permits(phase, provider, requestId),
    refusal: (provider) => (isRefused(provider) ? distrusted(provider) : control.refusal?.(provider)),
    onChange: (listener) => {
      const stack = new DisposableStack();
      stack.use(control.onChange(listener));
      stack.use(trust.onChange(listener));
      stack.use(own?.latches.onChange(listener));
      return stack;
    },
  };
}

function distrusted(provider: string): ScbeError {
  return new ScbeError(
    "DISTRUSTED",
    `${provider}: its integrity is in doubt, until a person clears it (POST /admin/scbe/trust)`,
  );
}
