import { cutText, REASON_MAX, ScbeError } from "@scbe/contracts";
import { type Clock, counter, type Logger, type MetricsRegistry, ReconcileLoop } from "@scbe/runtime";
import type { Actor, Audit, ControlPlane } from "../ports.ts";
import { CanaryIntents } from "./intents.ts";
import type { Measure } from "./measure.ts";
import {
  type AbortOrder,
  abortCanary,
  beginCanary,
  type Ordered,
  type PauseOrder,
  pauseCanary,
  type ResumeOrder,
  resumeCanary,
  type StartOrder,
} from "./orders.ts";
import { type Canary, type Decision, shareOf } from "./record.ts";
import { CanaryRunner } from "./runner.ts";
import { shareChange } from "./share.ts";
import { auditCanary, CanaryPage, type CanaryStore } from "./store.ts";

/**
 * The canaries, at most one of each provider. Any controller takes a person's orders; the leader alone moves canaries from step to step. The
 * audit has each order's reason and actor. All methods throw ScbeError: BAD_REQUEST for a provider that is not served, CONFLICT when the
 * order does not apply to the current state, NOT_READY or DISCONNECTED when the store does not take it.
 */
export interface CanaryPort {
  status(): Promise<CanaryStatus>;
  start(order: StartOrder, by: string): Promise<CanaryStatus>;
  pause(order: PauseOrder, by: string): Promise<CanaryStatus>;
  resume(order: ResumeOrder, by: string): Promise<CanaryStatus>;
  abort(order: AbortOrder, by: string): Promise<CanaryStatus>;
}

/** The answer of `GET /canary`, which `replay-canary.ts` takes as its input. */
export interface CanaryStatus {
  /** Whether this controller is the one that moves canaries from step to step. */
  readonly leading: boolean;
  readonly canaries: readonly CanaryView[];
}

/** A stored canary with derived members. */
export interface CanaryView extends Canary {
  /** The share of its step in percent of the provider's traffic. */
  readonly share: number;
  /** `null`: it is at its last step. */
  readonly next_share: number | null;
  /** The end of the step's time, ms since the Unix epoch; `null` unless the step runs. */
  readonly hold_until: number | null;
}

export interface CanariesOptions extends Omit<CanaryServiceOptions, "intents"> {
  readonly plane: Pick<ControlPlane, "current" | "change" | "onChange">;
  readonly measure: Measure;
  readonly metrics: CanaryMetrics;
  readonly log: Logger;
  /** Between two passes over the canaries. */
  readonly tickMs: number;
}

/** The delay of a pass after a change of the control document, since changes often come in groups. */
const SOON_MS = 100;

/** Starts the canaries; they advance while this controller leads. Disposal awaits the pass that is under way. */
export function startCanaries(options: CanariesOptions): CanaryPort & AsyncDisposable {
  const { plane, clock, metrics, log, tickMs } = options;
  let stopped = false;
  const isLeading = (): boolean => !stopped && options.isLeading();
  const intents = new CanaryIntents({ plane, clock, isLeading });
  const service = new CanaryService({ ...options, isLeading, intents });
  const runner = new CanaryRunner({ ...options, isLeading, intents, onDecision: metrics.decided });
  const loop = new ReconcileLoop(async () => {
    try {
      await runner.pass();
    } catch (error) {
      log.warn({ err: error }, "the canaries stay where they are until the next pass");
    }
  }, tickMs);
  // A kill or a changed flag does not wait for the next tick.
  const listening = plane.onChange(() => loop.nudgeIn(SOON_MS));
  return {
    status: () => service.status(),
    start: (order, by) => service.start(order, by),
    pause: (order, by) => service.pause(order, by),
    resume: (order, by) => service.resume(order, by),
    abort: (order, by) => service.abort(order, by),
    [Symbol.asyncDispose]: async () => {
      stopped = true;
      listening[Symbol.dispose]();
      await loop[Symbol.asyncDispose]();
    },
  };
}

export interface CanaryMetrics {
  decided(provider: string, decision: Decision): void;
}

export function canaryMetrics(registry: MetricsRegistry, providers: readonly string[]): CanaryMetrics {
  const verdicts = counter(registry, "scbe_canary_verdicts_total", { provider: providers });
  return { decided: (provider, { verdict }) => verdicts.inc({ provider, verdict }) };
}

export interface CanaryServiceOptions {
  readonly plane: Pick<ControlPlane, "current">;
  readonly store: CanaryStore;
  readonly intents: CanaryIntents;
  readonly audit: Pick<Audit, "append">;
  readonly clock: Clock;
  readonly isLeading: () => boolean;
  readonly providers: readonly string[];
  /** Default steps of a new canary, in percent. */
  readonly steps: readonly number[];
  readonly holdMs: number;
}

/** The canary after a person's order. */
type Apply = (canary: Canary | undefined, ordered: Ordered) => Canary;

const TRIES_MAX = 8;

/** Carries out people's orders, on any controller. */
export class CanaryService implements CanaryPort {
  readonly #options: CanaryServiceOptions;

  constructor(options: CanaryServiceOptions) {
    this.#options = options;
  }

  async status(): Promise<CanaryStatus> {
    const { store, isLeading } = this.#options;
    const { canaries } = await CanaryPage.read(store);
    return { leading: isLeading(), canaries: canaries.map(view) };
  }

  start(order: StartOrder, by: string): Promise<CanaryStatus> {
    const { steps, holdMs } = this.#options;
    const { provider, hold_minutes: minutes } = order;
    const plan = {
      provider,
      steps: [...(order.steps ?? steps)],
      hold_ms: minutes === undefined ? holdMs : minutes * 60_000,
    };
    return this.#order(order, by, (before, ordered) => beginCanary(before, plan, ordered));
  }

  pause(order: PauseOrder, by: string): Promise<CanaryStatus> {
    return this.#order(order, by, (before, ordered) => pauseCanary(existing(before, order), ordered));
  }

  resume(order: ResumeOrder, by: string): Promise<CanaryStatus> {
    const override = order.override ?? false;
    return this.#order(order, by, (before, ordered) =>
      resumeCanary(existing(before, order), override, ordered),
    );
  }

  abort(order: AbortOrder, by: string): Promise<CanaryStatus> {
    return this.#order(order, by, (before, ordered) => abortCanary(existing(before, order), ordered));
  }

  async #order({ provider, reason }: PauseOrder, by: string, apply: Apply): Promise<CanaryStatus> {
    if (!this.#options.providers.includes(provider))
      throw new ScbeError("BAD_REQUEST", `provider: ${provider} is not served here`);
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const actor = { by, reason: cutText(reason, REASON_MAX) };
      const done = await this.#options.intents.exclusively(() => this.#try(provider, actor, apply));
      if (done) return this.status();
    }
    throw new ScbeError("CONFLICT", "others change this canary all the time; try again");
  }

  /** False when another controller changed it meanwhile. */
  async #try(provider: string, actor: Actor, apply: Apply): Promise<boolean> {
    const { store, intents, plane, audit, clock } = this.#options;
    const page = await CanaryPage.read(store);
    const found = page.get(provider);
    const before = found === undefined ? undefined : await intents.reconcile(page, found);
    if (found !== undefined && before === undefined) return false;
    if (plane.current === undefined) throw new ScbeError("NOT_READY", "the control document is not read yet");
    const { state } = plane.current;
    const after = apply(before, { ...actor, state, now: clock.now() });
    // An order that cannot be carried out fails here, before anything is written.
    if (after.intent !== null) shareChange(provider, after.intent)(state);

    if (!(await page.put(after))) return false;
    auditCanary(audit, { before, after, at: clock.now(), ...actor });
    const carriedOut = await intents.carryOut(page, after);
    if (carriedOut?.state === "paused" && after.state === "running")
      throw new ScbeError("CONFLICT", `${carriedOut.why}; the canary is paused`);
    return true;
  }
}

function existing(canary: Canary | undefined, { provider }: { readonly provider: string }): Canary {
  if (canary === undefined) throw new ScbeError("CONFLICT", `there is no canary of ${provider}; start one`);
  return canary;
}

function view(canary: Canary): CanaryView {
  const { state, steps, step, hold_ms, history, intent } = canary;
  const runs = state === "running" && intent === null;
  const since = history.at(-1)?.since;
  return {
    ...canary,
    share: shareOf(canary),
    next_share: steps[step + 1] ?? null,
    hold_until: runs && since !== undefined ? since + hold_ms : null,
  };
}
