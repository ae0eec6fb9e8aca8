import type { environmentVariables, Host, windowVariables } from "@scbe/bus";
import { ACCESS, OPENING_TOKEN_INTENT, PHASES_OF, ScbeError } from "@scbe/contracts";
import { Opener, OpeningTokens, Sealer } from "@scbe/envelope";
import type { ConfigOf } from "@scbe/runtime";
import { admissionMetrics } from "./admission-metrics.ts";
import { Admissions } from "./admissions.ts";
import type { ControlView } from "./control/control-view.ts";
import { openControl } from "./control/open-control.ts";
import { skewSeconds } from "./control/skew-seconds.ts";
import { EpochFollower } from "./epoch-follower.ts";
import { HeldKeys } from "./held-keys.ts";
import { KeyKeeper } from "./key-keeper.ts";
import { observeKeys } from "./observe-keys.ts";
import { observeOpening } from "./observe-opening.ts";
import { observeSealing, showSessions } from "./observe-sealing.ts";
import { OwnLatches } from "./own-latches.ts";
import { traceOpening } from "./trace-opening.ts";
import { TrustFollower } from "./trust/trust-follower.ts";
import type { TrustView } from "./trust/trust-view.ts";
import type { verifierVariables } from "./variables.ts";
import { withTrust } from "./with-trust.ts";

/** What a verifier needs of its process. */
export type VerifierHost = Pick<
  Host,
  "name" | "bus" | "identity" | "clock" | "log" | "readiness" | "metrics"
>;

/** What it reads of its process's configuration. */
export type VerifierConfig = ConfigOf<
  typeof environmentVariables & typeof windowVariables & typeof verifierVariables
>;

export interface VerifierOptions {
  /**
   * What it seals and opens. Whoever seals requests follows the replay epoch, without which none can be; gateways have no
   * right to.
   */
  readonly as: keyof typeof PHASES_OF;
  /** Whether the process also sends or serves what goes unsealed; false unless told. */
  readonly fallbackAllowed?: boolean;
}

/** What an opener takes; everything else it refuses. */
export interface Serves {
  readonly providers: readonly string[];
  readonly intents: readonly string[];
  /** Every model unless told. */
  readonly models?: readonly string[];
}

/** Sealing and opening with keys, replay epoch, replay guard and control plane over the bus; disposing drops every key. */
export interface Verifier extends AsyncDisposable {
  readonly sealer: Sealer;
  /** Absent where no requests are sealed. */
  readonly epochs: EpochFollower | undefined;
  /** What control plane and trust say of requests; sealer and openers ask it by themselves. */
  readonly control: ControlView;
  /** How far providers are trusted, for whoever chooses one. */
  readonly trust: TrustView;
  /** Absent where the role has no right to the keys of opening tokens. */
  readonly openingTokens: OpeningTokens | undefined;
  /** The providers that this process refuses by what it saw itself; an orchestrator's alone. */
  readonly latches: OwnLatches | undefined;
  /** How far a sealer's clock and ours may be apart, as of now. */
  readonly skewSeconds: number;
  /** An opener for what one endpoint serves; all of them share keys and admissions. */
  opener(serves: Serves): Opener;
}

/**
 * Opens a verifier: fetches the subkeys of all of the configuration's providers and intents, and goes on following the
 * ring, the replay epoch, the control plane and trust. It comes back at once; readiness says what is still missing (`keys`, `epoch`,
 * `control`).
 * @throws ScbeError BAD_REQUEST without an nkey, since grants are asked for under signature; for a folder of state that
 *   cannot be used
 * @example
 * await using verifier = openVerifier(host, config, { as: "orchestrator" });
 * const { bytes, hash } = verifier.sealer.sealRequest({ provider: "openai", model: "gpt-5", intent: "chat", requestId, body });
 */
export function openVerifier(host: VerifierHost, config: VerifierConfig, options: VerifierOptions): Verifier {
  const { bus, identity, clock, log, readiness, metrics } = host;
  if (identity === undefined) {
    throw new ScbeError(
      "BAD_REQUEST",
      "keys are granted under signature: NATS_NKEY_SEED_FILE or NATS_CREDS is needed",
    );
  }
  const env = config.SCBE_ENVIRONMENT;
  const stack = new AsyncDisposableStack();
  const trust =
    config.SCBE_TRUST_SCORER === "none"
      ? NO_TRUST
      : stack.use(new TrustFollower({ bus, clock, log, readiness, metrics }));
  const seals = options.as === "orchestrator";
  const latches = seals ? stack.use(new OwnLatches({ trust, teller: bus.user, log })) : undefined;
  const own = latches && { teller: bus.user, latches };
  const control = withTrust(
    stack.use(openControl(host, config, options.fallbackAllowed ?? false)),
    trust,
    own,
  );
  const source = { bus, identity, env, keyringPublicKey: config.SCBE_KEYRING_PUBLIC_KEY };
  const { reservedIntents = [] } = ACCESS[options.as];
  const intents = [...config.SCBE_INTENTS, ...reservedIntents];
  const providers = config.SCBE_PROVIDERS;
  const held = new HeldKeys({ providers, intents, now: () => clock.now() });
  stack.use(new KeyKeeper({ keys: held, source, clock, log, readiness, metrics }));
  const part = { ...PHASES_OF[options.as], providers: config.SCBE_PROVIDERS };
  const epochs = part.seals.some((phase) => phase === "request")
    ? stack.use(new EpochFollower({ bus, env, clock, log, readiness }))
    : undefined;
  const admission = new Admissions({ bus, clock, log, timeoutMs: config.SCBE_ADMIT_TIMEOUT_MS });
  if (part.opens.some((phase) => phase === "request")) {
    admission.observe(stack.use(admissionMetrics(metrics, part, () => admission.waiting)));
  }
  const keys = stack.use(observeKeys(metrics, held, part));
  const observer = traceOpening(
    observeOpening(metrics, part, (check) => keys.tagChecked(check)),
    clock,
  );
  const skew = {
    usualSeconds: config.SCBE_MAX_CLOCK_SKEW_SECONDS,
    limitSeconds: config.SCBE_SKEW_LIMIT_SECONDS,
  };
  const limits = {
    windowSeconds: config.SCBE_REPLAY_WINDOW_SECONDS,
    // Looked at for each opening, since a document may widen it for a time.
    get skewSeconds() {
      return skewSeconds(control.document, skew, clock.now());
    },
    counterLimit: config.SCBE_NONCE_COUNTER_LIMIT,
    noiseFloorMs: config.SCBE_NOISE_FLOOR_MS,
    guardWaitMs: config.SCBE_ADMIT_TIMEOUT_MS,
  };
  const sealing = observeSealing(metrics, part);
  const sealer = new Sealer(
    { keys: held, epochs: epochs ?? NO_EPOCHS, clock, permission: control, observer: sealing },
    limits,
  );
  stack.use(showSessions(metrics, sealer, part));
  return {
    sealer,
    epochs,
    control,
    trust,
    openingTokens: reservedIntents.includes(OPENING_TOKEN_INTENT)
      ? new OpeningTokens({ keys: held, clock, env })
      : undefined,
    latches,
    get skewSeconds() {
      return limits.skewSeconds;
    },
    opener: (serves) =>
      new Opener({ keys: held, admission, clock, env, serves, permission: control, observer }, limits),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Of a deployment without trust scorers. */
const NO_TRUST: TrustView = {
  document: undefined,
  onChange: () => ({ [Symbol.dispose]: () => undefined }),
};
const NO_EPOCHS = { current: () => undefined };
