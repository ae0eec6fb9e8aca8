import { type Bus, DocumentFetcher } from "@scbe/bus";
import { type Environment, type HeldGeneration, SUBJECTS, subjectOf } from "@scbe/contracts";
import type { Phase } from "@scbe/envelope";
import type { ControlDocument } from "@scbe/envelope/control";
import type { MetricsRegistry } from "@scbe/runtime";
import { type Clock, Listeners, type Logger, LogLimiter, type Readiness } from "@scbe/runtime";
import type { Control } from "./control.ts";
import { type ControlMetrics, showControl } from "./control-metrics.ts";
import { ControlRules } from "./control-rules.ts";
import type { ControlRoute } from "./control-view.ts";
import { GenerationFile } from "./generation-file.ts";
import { HeldControl } from "./held-control.ts";
import { LeaseAsker } from "./lease-asker.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import type { StalePolicy } from "./stale-policy.ts";
import { WatchedLease } from "./watched-lease.ts";

export interface ControlFollowerOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  /** Shows the state as the dependency `control`. */
  readonly readiness: Readiness;
  readonly metrics: MetricsRegistry;
  readonly env: Environment;
  /** Whose metrics are shown. */
  readonly providers: readonly string[];
  /** The controller's public nkey. */
  readonly publicKey: string;
  /** How long a lease lasts, from the moment of asking. */
  readonly leaseMs: number;
  readonly stalePolicy: StalePolicy;
  /** This process sends or serves unsealed what the document sends to fallback; the controller is told. */
  readonly fallbackAllowed: boolean;
  /** Where the highest generation is kept beyond the process's end; nowhere unless told. */
  readonly stateDir?: string;
}

/**
 * Obeys the control plane. A document arrives by broadcast, with the answer to a question for a lease, or from a controller that is asked for it:
 * at start, after each reconnect, and whenever a lease was not granted. All ways end in one check of generation, signature and
 * environment. A broadcast is obeyed in the turn in which it arrives; only so many of them are verified, answers always, so that a kill
 * comes with the next lease at the latest, whatever is broadcast.
 */
export class ControlFollower implements Control {
  readonly #options: ControlFollowerOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #listeners = new Listeners((error) =>
    this.#options.log.error({ err: error }, "a listener of the control plane failed"),
  );
  readonly #file: GenerationFile | undefined;
  readonly #held: HeldControl;
  readonly #lease: WatchedLease;
  readonly #rules: ControlRules;
  readonly #shown: ControlMetrics;
  readonly #unused = new LogLimiter();
  readonly #owner: DocumentFetcher;
  readonly #asker: LeaseAsker;
  readonly #keeper: LeaseKeeper;

  /** @throws ScbeError BAD_REQUEST for a folder of state that cannot be used */
  constructor(options: ControlFollowerOptions) {
    this.#options = options;
    const { bus, clock, log, readiness, env, leaseMs, stateDir, stalePolicy } = options;
    this.#file =
      stateDir === undefined ? undefined : this.#stack.use(new GenerationFile({ dir: stateDir, env, log }));
    const generationMin = this.#file?.atStart ?? 0;
    this.#held = new HeldControl({ ...options, generationMin, onApplied: (it) => this.#applied(it) });
    this.#lease = this.#stack.use(new WatchedLease({ clock, leaseMs, onChange: () => this.#leaseChanged() }));
    this.#rules = new ControlRules(this.#facts(stalePolicy));
    this.#shown = this.#stack.use(showControl(options.metrics, options.providers, this));
    const offer = (bytes: Uint8Array): void => this.#offer(bytes, true);
    this.#asker = new LeaseAsker({ ...options, lease: this.#lease, held: () => this.document, offer });
    this.#owner = this.#stack.use(
      new DocumentFetcher({
        ...{ bus, log, take: offer },
        subject: subjectOf("controlGet", { user: bus.user }),
        question: (): HeldGeneration => ({ v: 1, generation: this.document?.state.generation ?? null }),
      }),
    );
    this.#keeper = this.#stack.use(new LeaseKeeper({ leaseMs, ask: (signal) => this.#ask(signal) }));
    readiness.declare("control");
    this.#show();
    this.#stack.use(bus.subscribe(SUBJECTS.controlState, ({ data }) => this.#offer(data, false)));
    this.#stack.use(bus.onReconnect(() => this.#askAndRead()));
    this.#askAndRead();
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
    this.#asker.leave();
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

  #askAndRead(): void {
    this.#keeper.askNow();
    void this.#owner.read();
  }

  #offer(bytes: Uint8Array, isAsked: boolean): void {
    const result = this.#held.offer(bytes, isAsked);
    this.#shown.offered(result);
    if (result !== "refused" && result !== "dropped") return;
    const { log, clock } = this.#options;
    this.#unused.note(clock.monotonic(), (count) =>
      log.warn(
        { result, count },
        "a control document was not used: none of the controller's, or one too many",
      ),
    );
  }

  /** Nothing of this may come before the document is held: openings in flight look at it in their own turns. */
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

  async #ask(signal: AbortSignal): ReturnType<LeaseAsker["ask"]> {
    const result = await this.#asker.ask(signal);
    if (result === undefined) return undefined;
    this.#shown.asked(result);
    if (result !== "granted") void this.#owner.read();
    return result;
  }

  #leaseChanged(): void {
    const { log, stalePolicy: policy, leaseMs } = this.#options;
    if (this.#lease.isStale)
      log.warn({ policy, leaseMs }, "no controller confirms what is in force any more");
    else log.info("a controller confirms what is in force");
    this.#show();
    this.#listeners.notify();
  }

  #show(): void {
    const { readiness, stalePolicy } = this.#options;
    if (!this.#lease.wasGranted) {
      readiness.set("control", { ok: false, reason: "no controller has confirmed a control document yet" });
    } else if (!this.#lease.isStale) {
      readiness.set("control", { ok: true });
    } else if (stalePolicy === "hold") {
      readiness.set("control", { ok: true, note: `${STALE}: the last known state is obeyed` });
    } else readiness.set("control", { ok: false, reason: `${STALE}: nothing is sealed or opened` });
  }
}

const STALE = "no controller confirms the control document any more";
