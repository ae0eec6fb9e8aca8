import {
  type ControlAction,
  USER_STATES,
  type UserState,
  VERIFIER_STATES,
  type VerifierState,
} from "@scbe/contracts";
import { type ControlDocument, killOf } from "@scbe/envelope/control";
import { counter, gauge, type MetricsRegistry, watchGauge } from "@scbe/runtime";
import { sealedShare } from "./api/flag-state.ts";

/** What a controller shows of the control document. */
export interface ControllerMetrics {
  document(document: ControlDocument): void;
  changed(action: ControlAction): void;
  /** A lease. */
  answered(): void;
  store(ok: boolean): void;
}

export interface ControllerSights {
  leading(): boolean;
  unstoredKills(): number;
  verifiers(): Readonly<Record<VerifierState, number>>;
  users(): Readonly<Record<UserState, number>>;
}

export function controllerMetrics(
  registry: MetricsRegistry,
  providers: readonly string[],
): ControllerMetrics {
  const generation = gauge(registry, "scbe_control_generation");
  const engaged = gauge(registry, "scbe_kill_switch_engaged", { provider: providers });
  const share = gauge(registry, "scbe_sealed_share_ratio", { provider: providers });
  const changes = counter(registry, "scbe_control_changes_total");
  const answers = counter(registry, "scbe_control_leases_answered_total");
  const storeUp = gauge(registry, "scbe_control_store_up");
  return {
    document: ({ state }) => {
      generation.set({}, state.generation);
      for (const provider of providers) {
        engaged.set({ provider }, killOf(state, provider) === undefined ? 0 : 1);
        share.set({ provider }, sealedShare(state.scbe_envelope_verification, provider));
      }
    },
    changed: (action) => changes.inc({ action }),
    answered: () => answers.inc({}),
    store: (ok) => storeUp.set({}, ok ? 1 : 0),
  };
}

/** Shows what is looked at with each scrape, until it is disposed of. */
export function showSights(registry: MetricsRegistry, sights: ControllerSights): Disposable {
  const stack = new DisposableStack();
  stack.use(watchGauge(registry, "scbe_control_leading", () => [[{}, sights.leading() ? 1 : 0]]));
  stack.use(watchGauge(registry, "scbe_control_unstored_kills", () => [[{}, sights.unstoredKills()]]));
  stack.use(
    watchGauge(registry, "scbe_control_verifiers", () => {
      const counts = sights.verifiers();
      return VERIFIER_STATES.map((state) => [{ state }, counts[state]] as const);
    }),
  );
  stack.use(
    watchGauge(registry, "scbe_control_users", () => {
      const counts = sights.users();
      return USER_STATES.map((state) => [{ state }, counts[state]] as const);
    }),
  );
  return stack;
}
