import { ScbeError, trustIn } from "@scbe/contracts";
import type { TrustView } from "@scbe/service-kit";
import type { ControlRoute, ControlView } from "./control/control-view.ts";

const DISTRUSTED: ControlRoute = { way: "refused", why: "distrusted" };

/**
 * What the control plane says, and that a provider whose integrity is in doubt is refused: by whatever way, sealed or not. A doubtful quality
 * refuses nothing: whoever routes a request looks for a better one, and the one that is left is still to be served.
 */
export function withTrust(control: ControlView, trust: TrustView): ControlView {
  const isLatched = (provider: string): boolean =>
    trust.document !== undefined && trustIn(trust.document, provider).latch !== null;
  return {
    get document() {
      return control.document;
    },
    get isStale() {
      return control.isStale;
    },
    route: (provider, requestId) => (isLatched(provider) ? DISTRUSTED : control.route(provider, requestId)),
    permits: (phase, provider, requestId) =>
      !isLatched(provider) && control.permits(phase, provider, requestId),
    refusal: (provider) => (isLatched(provider) ? distrusted(provider) : control.refusal?.(provider)),
    onChange: (listener) => {
      const stack = new DisposableStack();
      stack.use(control.onChange(listener));
      stack.use(trust.onChange(listener));
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
