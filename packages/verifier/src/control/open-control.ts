import { isLatched, ScbeError, trustIn } from "@scbe/contracts";
import type { OwnLatches } from "../own-latches.ts";
import type { TrustView } from "../trust-follower.ts";
import { NO_CONTROL_KEY, type VerifierConfig, type VerifierHost } from "../variables.ts";
import { ControlFollower, watchControl } from "./control-follower.ts";
import type { Control, ControlRoute, ControlView } from "./control-rules.ts";

/**
 * Follows the control plane, or permits everything where the configuration has none.
 * @throws ScbeError BAD_REQUEST if the state folder cannot be used
 */
export function openControl(host: VerifierHost, config: VerifierConfig, fallbackAllowed: boolean): Control {
  const publicKey = config.SCBE_CONTROL_PUBLIC_KEY;
  if (publicKey === NO_CONTROL_KEY) return openNoControl(host, config.SCBE_PROVIDERS);
  const stateDir = config.SCBE_STATE_DIR;
  return new ControlFollower({
    ...host,
    env: config.SCBE_ENVIRONMENT,
    providers: config.SCBE_PROVIDERS,
    publicKey,
    leaseMs: config.SCBE_CONTROL_LEASE_MS,
    stalePolicy: config.SCBE_CONTROL_STALE_POLICY,
    fallbackAllowed,
    ...(stateDir !== undefined && { stateDir }),
  });
}

const NO_CONTROL = "nothing is obeyed: SCBE_CONTROL_PUBLIC_KEY is not set";

function openNoControl({ readiness, metrics, log }: VerifierHost, providers: readonly string[]): Control {
  readiness.set("control", { ok: true, note: NO_CONTROL });
  log.warn(`no kill switch and no flags: ${NO_CONTROL}`);
  const nothing = { document: undefined, isStale: false } as const;
  const watching = watchControl(metrics, providers, nothing);
  return {
    ...nothing,
    permits: () => true,
    route: () => ({ way: "sealed" }),
    onChange: () => ({ [Symbol.dispose]: () => undefined }),
    [Symbol.asyncDispose]: async () => watching[Symbol.dispose](),
  };
}

const DISTRUSTED: ControlRoute = { way: "refused", why: "distrusted" };

/** The latches of a process that reports on trust. */
export interface OwnTrust {
  /** The bus user that its reports name. */
  readonly teller: string;
  readonly latches: Pick<OwnLatches, "has" | "onChange">;
}

/**
 * The control plane, and in addition a refusal, sealed or not, of each provider whose integrity is in doubt: for all users, for this
 * process's own user, or by its own observation. A doubt about quality refuses nothing: the requester prefers a better provider, and still uses the
 * last one left.
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
    `${provider}: its integrity is in doubt, until an operator clears it (POST /admin/scbe/trust)`,
  );
}
