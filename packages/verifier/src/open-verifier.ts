import { ACCESS, OPENING_TOKEN_INTENT, PHASES_OF, ScbeError } from "@scbe/contracts";
import { Opener, OpeningTokens, Sealer } from "@scbe/envelope";
import { Admissions } from "./admissions.ts";
import { type ControlView, skewSeconds } from "./control/control-rules.ts";
import { openControl, withTrust } from "./control/open-control.ts";
import { EpochFollower } from "./epoch-follower.ts";
import { HeldKeys } from "./held-keys.ts";
import { KeyKeeper } from "./key-keeper.ts";
import {
  observeAdmissions,
  observeKeys,
  observeOpening,
  observeSealing,
  traceOpening,
  watchSessions,
} from "./observers.ts";
import { OwnLatches } from "./own-latches.ts";
import { TrustFollower, type TrustView } from "./trust-follower.ts";
import type { VerifierConfig, VerifierHost } from "./variables.ts";

export interface VerifierOptions {
  /**
   * Decides what it seals and opens. A role that seals requests follows the replay epoch, which sealing needs; gateways may not
   * read it.
   */
  readonly as: keyof typeof PHASES_OF;
  /** Whether the process also sends or serves unsealed messages; default false. */
  readonly fallbackAllowed?: boolean;
}

/** What an opener takes; everything else it refuses. */
export interface Serves {
  readonly providers: readonly string[];
  readonly intents: readonly string[];
  /** Default: every model. */
  readonly models?: readonly string[];
}

/** Sealing and opening with keys, replay epoch, replay guard and control plane over the bus; disposing drops every key. */
export interface Verifier extends AsyncDisposable {
  readonly sealer: Sealer;
  /** Absent in roles that seal no requests. */
  readonly epochs: EpochFollower | undefined;
  /** What control plane and trust decide about requests; sealer and openers ask it themselves. */
  readonly control: ControlView;
  /** The trust in providers, for choosing one. */
  readonly trust: TrustView;
  /** Absent in roles without the right to the keys of opening tokens. */
  readonly openingTokens: OpeningTokens | undefined;
  /** The providers that this process refuses because of its own observation; only for an orchestrator. */
  readonly latches: OwnLatches | undefined;
  /** How far a sealer's clock and ours may be apart now. */
  readonly skewSeconds: number;
  /** An opener for one endpoint; all openers share keys and admissions. */
  opener(serves: Serves): Opener;
}

/**
 * Opens a verifier: fetches the subkeys of the configured providers and intents, and follows the ring, the replay epoch, the control
 * plane and trust. It returns at once; readiness names what is still missing (`keys`, `epoch`, `control`, `trust`).
 * @throws ScbeError BAD_REQUEST without an nkey, since grant requests are signed, and for a state folder that cannot be used
 * @example
 * await using verifier = openVerifier(host, config, { as: "orchestrator" });
 * const { bytes, hash } = verifier.sealer.sealRequest({ provider: "openai", model: "gpt-5", intent: "chat", requestId, body });
 */
export function openVerifier(host: VerifierHost, config: VerifierConfig, options: VerifierOptions): Verifier {
  const { bus, identity, clock, log, readiness, metrics } = host;
  if (identity === undefined) {
    throw new ScbeError("BAD_REQUEST", "grant requests are signed: set NATS_NKEY_SEED_FILE or NATS_CREDS");
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
  const scope = { ...PHASES_OF[options.as], providers };
  const epochs = scope.seals.some((phase) => phase === "request")
    ? stack.use(new EpochFollower({ bus, env, clock, log, readiness }))
    : undefined;
  const admission = new Admissions({ bus, clock, log, timeoutMs: config.SCBE_ADMIT_TIMEOUT_MS });
  if (scope.opens.some((phase) => phase === "request")) {
    admission.observe(stack.use(observeAdmissions(metrics, scope, () => admission.waiting)));
  }
  const keys = stack.use(observeKeys(metrics, held, scope));
  const observer = traceOpening(
    observeOpening(metrics, scope, (check) => keys.tagChecked(check)),
    clock,
  );
  const skew = {
    usualSeconds: config.SCBE_MAX_CLOCK_SKEW_SECONDS,
    limitSeconds: config.SCBE_SKEW_LIMIT_SECONDS,
  };
  const limits = {
    windowSeconds: config.SCBE_REPLAY_WINDOW_SECONDS,
    // Read for each opening, since a document can widen it for a time.
    get skewSeconds() {
      return skewSeconds(control.document, skew, clock.now());
    },
    counterLimit: config.SCBE_NONCE_COUNTER_LIMIT,
    noiseFloorMs: config.SCBE_NOISE_FLOOR_MS,
    guardWaitMs: config.SCBE_ADMIT_TIMEOUT_MS,
  };
  const sealing = observeSealing(metrics, scope);
  const sealer = new Sealer(
    { keys: held, epochs: epochs ?? NO_EPOCHS, clock, permission: control, observer: sealing },
    limits,
  );
  stack.use(watchSessions(metrics, sealer, scope));
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

/** For a deployment without trust scorers. */
const NO_TRUST: TrustView = {
  document: undefined,
  onChange: () => ({ [Symbol.dispose]: () => undefined }),
};
const NO_EPOCHS = { current: () => undefined };
