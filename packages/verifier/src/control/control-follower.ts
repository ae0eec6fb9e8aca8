import { type Bus, DocumentFetcher } from "@scbe/bus";
import {
  type ControlLeaseResult,
  type Environment,
  type HeldGeneration,
  type SignedMessageResult,
  SUBJECTS,
  subjectOf,
} from "@scbe/contracts";
import type { Phase } from "@scbe/envelope";
import { type ControlDocument, killOf } from "@scbe/envelope/control";
import {
  type Clock,
  counter,
  Listeners,
  type Logger,
  LogLimiter,
  type MetricsRegistry,
  type Readiness,
  watchGauge,
} from "@scbe/runtime";
import {
  type Control,
  type ControlRoute,
  ControlRules,
  type ControlView,
  type StalePolicy,
} from "./control-rules.ts";
import { GenerationFile } from "./generation-file.ts";
import { HeldControl } from "./held-control.ts";
import { LeaseKeeper, LeaseRequester, WatchedLease } from "./lease-keeper.ts";

export interface ControlFollowerOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  /** Gets the dependency `control`. */
  readonly readiness: Readiness;
  readonly metrics: MetricsRegistry;
  readonly env: Environment;
  /** The providers that have metrics. */
  readonly providers: readonly string[];
  /** The controller's public nkey. */
  readonly publicKey: string;
  /** How long a lease lasts, from the moment of its request. */
  readonly leaseMs: number;
  readonly stalePolicy: StalePolicy;
  /** This process sends or serves unsealed where the document says `fallback`; the lease requests report it. */
  readonly fallbackAllowed: boolean;
  /** Keeps the highest generation across restarts; without it the process starts from nothing. */
  readonly stateDir?: string;
}

/**
 * Obeys the control plane. A document arrives by broadcast, with the answer to a lease request, or from a controller on request:
 * at start, after each reconnect, and whenever a lease was not granted. One check of generation, signature and environment covers all
 * three. A broadcast applies synchronously, but only so many are verified a second; answers always are. So a kill arrives with the
 * next lease at the latest, whatever an attacker broadcasts.
 */
export class ControlFollower implements Control {
  readonly #options: ControlFollowerOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #listeners: Listeners;
  readonly #file: GenerationFile | undefined;
  readonly #held: HeldControl;
  readonly #lease: WatchedLease;
  readonly #rules: ControlRules;
  readonly #metrics: ControlMetrics;
  readonly #unused = new LogLimiter();
  readonly #fetcher: DocumentFetcher;
  readonly #requester: LeaseRequester;
  readonly #keeper: LeaseKeeper;

  /** @throws ScbeError BAD_REQUEST if the state folder cannot be used */
  constructor(options: ControlFollowerOptions) {
    this.#options = options;
    const { bus, clock, log, readiness, env, leaseMs, stateDir, stalePolicy } = options;
    this.#listeners = new Listeners((error) =>
      log.error({ err: error }, "a listener of the control plane failed"),
    );
    this.#file =
      stateDir === undefined ? undefined : this.#stack.use(new GenerationFile({ dir: stateDir, env, log }));
    const generationMin = this.#file?.atStart ?? 0;
    this.#held = new HeldControl({ ...options, generationMin, onApplied: (it) => this.#applied(it) });
    this.#lease = this.#stack.use(new WatchedLease({ clock, leaseMs, onChange: () => this.#leaseChanged() }));
    this.#rules = new ControlRules(this.#facts(stalePolicy));
    this.#metrics = this.#stack.use(watchControl(options.metrics, options.providers, this));
    const offer = (bytes: Uint8Array): void => this.#offer(bytes, true);
    this.#requester = new LeaseRequester({
      ...options,
      ...{ lease: this.#lease, held: () => this.document, offer },
    });
    this.#fetcher = this.#stack.use(
      new DocumentFetcher({
        ...{ bus, log, take: offer },
        subject: subjectOf("controlGet", { user: bus.user }),
        question: (): HeldGeneration => ({ v: 1, generation: this.document?.state.generation ?? null }),
      }),
    );
    this.#keeper = this.#stack.use(new LeaseKeeper({ leaseMs, ask: (signal) => this.#ask(signal) }));
    readiness.declare("control");
    this.#updateReadiness();
    this.#stack.use(bus.subscribe(SUBJECTS.controlState, ({ data }) => this.#offer(data, false)));
    this.#stack.use(bus.onReconnect(() => this.#askAndFetch()));
    this.#askAndFetch();
  }

  get document(): ControlDocument | undefined {
    return this.#held.document;
  }

  get isStale(): boolean {
    return this.#lease.isStale;
  }

  route(provider: string, requestId: string): ControlRoute {
    return this.#rules.route(provider, requestId);
  }

  permits(phase: Phase, provider: string, requestId: string): boolean {
    return this.#rules.permits(phase, provider, requestId);
  }

  onChange(listener: () => void): Disposable {
    return this.#listeners.add(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
    this.#requester.leave();
  }

  #facts(policy: StalePolicy): ConstructorParameters<typeof ControlRules>[0] {
    const [held, lease] = [this.#held, this.#lease];
    return {
      policy,
      get document() {
        return held.document;
      },
      get wasGranted() {
        return lease.wasGranted;
      },
      get isStale() {
        return lease.isStale;
      },
    };
  }

  #askAndFetch(): void {
    this.#keeper.askNow();
    void this.#fetcher.read();
  }

  #offer(bytes: Uint8Array, isAsked: boolean): void {
    const result = this.#held.offer(bytes, isAsked);
    this.#metrics.offered(result);
    if (result !== "refused" && result !== "dropped") return;
    const { log, clock } = this.#options;
    this.#unused.note(clock.monotonic(), (count) =>
      log.warn(
        { result, count },
        "a control document was ignored: not from the controller, or too many arrived",
      ),
    );
  }

  /** Notifies first: openings that are under way read the new document before they release. */
  #applied({ state }: ControlDocument): void {
    this.#listeners.notify();
    const { all, providers } = state.kill_switch;
    const killed = all === null ? Object.keys(providers) : ["all"];
    this.#options.log[killed.length === 0 ? "info" : "warn"](
      { generation: state.generation, killed },
      "another control document is in force",
    );
    this.#file?.raise(state.generation);
    this.#keeper.askNow();
  }

  async #ask(signal: AbortSignal): ReturnType<LeaseRequester["ask"]> {
    const result = await this.#requester.ask(signal);
    if (result === undefined) return undefined;
    this.#metrics.asked(result);
    if (result !== "granted") void this.#fetcher.read();
    return result;
  }

  #leaseChanged(): void {
    const { log, stalePolicy: policy, leaseMs } = this.#options;
    if (this.#lease.isStale) log.warn({ policy, leaseMs }, STALE);
    else log.info("a controller confirms the control document");
    this.#updateReadiness();
    this.#listeners.notify();
  }

  #updateReadiness(): void {
    const { readiness, stalePolicy } = this.#options;
    if (!this.#lease.wasGranted) {
      readiness.set("control", { ok: false, reason: "no controller has confirmed a control document yet" });
    } else if (!this.#lease.isStale) {
      readiness.set("control", { ok: true });
    } else if (stalePolicy === "hold") {
      readiness.set("control", { ok: true, note: `${STALE}: the last known document is obeyed` });
    } else readiness.set("control", { ok: false, reason: `${STALE}: nothing is sealed or opened` });
  }
}

const STALE = "no controller confirms the control document any more";

/** Counts what arrives. Disposing ends the gauges. */
export interface ControlMetrics extends Disposable {
  offered(result: SignedMessageResult): void;
  asked(result: ControlLeaseResult): void;
}

/** Exports what is obeyed: 0 for generation and kills while there is no document. */
export function watchControl(
  metrics: MetricsRegistry,
  providers: readonly string[],
  view: Pick<ControlView, "document" | "isStale">,
): ControlMetrics {
  const documents = counter(metrics, "scbe_control_documents_total");
  const leases = counter(metrics, "scbe_control_leases_total");
  const isKilled = (provider: string): boolean =>
    view.document !== undefined && killOf(view.document.state, provider) !== undefined;
  const stack = new DisposableStack();
  stack.use(
    watchGauge(metrics, "scbe_control_generation", () => [[{}, view.document?.state.generation ?? 0]]),
  );
  stack.use(watchGauge(metrics, "scbe_control_stale", () => [[{}, Number(view.isStale)]]));
  stack.use(
    watchGauge(metrics, "scbe_kill_switch_engaged", () =>
      providers.map((provider) => [{ provider }, Number(isKilled(provider))]),
    ),
  );
  return {
    offered: (result) => documents.inc({ result }),
    asked: (result) => leases.inc({ result }),
    [Symbol.dispose]: () => stack.dispose(),
  };
}
