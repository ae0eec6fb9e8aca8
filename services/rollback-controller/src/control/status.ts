import type { Leadership } from "@scbe/bus";
import {
  type ControlAction,
  USER_STATES,
  type UserState,
  VERIFIER_STATES,
  type VerifierState,
} from "@scbe/contracts";
import { type ControlDocument, killOf } from "@scbe/envelope/control";
import { counter, gauge, type Logger, type MetricsRegistry, type Readiness, watchGauge } from "@scbe/runtime";
import { failureText } from "../failure.ts";
import type { SignedControlPlane } from "./plane.ts";
import { sealedShare } from "./state.ts";

export interface ControlStatusOptions {
  readonly plane: SignedControlPlane;
  readonly leadership: Pick<Leadership, "leading" | "standsBy">;
  readonly readiness: Readiness;
  readonly metrics: Pick<ControllerMetrics, "store">;
  readonly log: Logger;
  /** Users that announced a document newer than that generation and have not handed it back. */
  outstanding(generation: number): readonly string[];
}

const DOCUMENT = "control document";
const LEADER = "leader";
/** Users that a note names. */
const NAMES_MAX = 5;

/**
 * The control document and the leader on `/readyz`. A controller is ready once it knows a document: while the store is away it can still
 * answer leases for it and send a kill.
 */
export class ControlStatus {
  readonly #options: ControlStatusOptions;
  #failure: string | undefined;

  constructor(options: ControlStatusOptions) {
    this.#options = options;
    options.readiness.declare(DOCUMENT);
    this.update();
  }

  /** @param failure of the last reconcile pass; undefined: it succeeded */
  passEnded(failure: unknown): void {
    const { log, metrics } = this.#options;
    const text = failure === undefined ? undefined : failureText(failure);
    if (text !== this.#failure) {
      if (text === undefined) log.info("the stored control document is read and written again");
      else log.error({ err: failure }, "the stored control document could not be read or written");
    }
    this.#failure = text;
    metrics.store(failure === undefined);
    this.update();
  }

  update(): void {
    const { plane, leadership, readiness } = this.#options;
    const notes = this.#notes().join("; ");
    readiness.set(
      DOCUMENT,
      plane.current === undefined
        ? { ok: false, reason: this.#failure ?? "not read yet" }
        : { ok: true, ...(notes !== "" && { note: notes }) },
    );
    const note = leadership.standsBy
      ? "stands by: another controller leads"
      : "no controller is known to lead";
    readiness.set(LEADER, { ok: true, ...(leadership.leading ? {} : { note }) });
  }

  #notes(): string[] {
    const { plane, outstanding } = this.#options;
    const { unstoredKills, current } = plane;
    const users = outstanding(current?.state.generation ?? 0);
    return [
      ...(this.#failure === undefined
        ? []
        : [`${this.#failure}: kills are sent, no other change is accepted`]),
      ...(unstoredKills === 0 ? [] : [`${unstoredKills} kills are not stored yet`]),
      ...(users.length === 0
        ? []
        : [
            `verifiers of ${namesOf(users)} say that they hold a newer document and have not handed it back: was the store restored?`,
          ]),
    ];
  }
}

function namesOf(users: readonly string[]): string {
  const more = users.length - NAMES_MAX;
  return `${users.slice(0, NAMES_MAX).join(", ")}${more > 0 ? ` and ${more} more users` : ""}`;
}

/** The metrics of the control document that are set when something happens. */
export interface ControllerMetrics {
  document(document: ControlDocument): void;
  changed(action: ControlAction): void;
  /** A lease. */
  answered(): void;
  store(ok: boolean): void;
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

/** The values that are read at each scrape. */
export interface ScrapedValues {
  leading(): boolean;
  unstoredKills(): number;
  verifiers(): Readonly<Record<VerifierState, number>>;
  users(): Readonly<Record<UserState, number>>;
}

/** Registers the gauges that are read at each scrape, until it is disposed. */
export function watchControllerGauges(registry: MetricsRegistry, values: ScrapedValues): Disposable {
  const stack = new DisposableStack();
  stack.use(watchGauge(registry, "scbe_control_leading", () => [[{}, values.leading() ? 1 : 0]]));
  stack.use(watchGauge(registry, "scbe_control_unstored_kills", () => [[{}, values.unstoredKills()]]));
  stack.use(
    watchGauge(registry, "scbe_control_verifiers", () => {
      const counts = values.verifiers();
      return VERIFIER_STATES.map((state) => [{ state }, counts[state]] as const);
    }),
  );
  stack.use(
    watchGauge(registry, "scbe_control_users", () => {
      const counts = values.users();
      return USER_STATES.map((state) => [{ state }, counts[state]] as const);
    }),
  );
  return stack;
}
