import { type Clock, type Logger, ReconcileLoop } from "@scbe/runtime";
import type { Audit, ControlPlane } from "../ports.ts";
import { CanaryIntents } from "./canary-intents.ts";
import type { CanaryMetrics } from "./canary-metrics.ts";
import type { CanaryPort } from "./canary-port.ts";
import { CanaryRunner } from "./canary-runner.ts";
import { CanaryService } from "./canary-service.ts";
import type { CanaryStore } from "./canary-store.ts";
import type { Measure } from "./measure.ts";

export interface CanariesOptions {
  readonly plane: Pick<ControlPlane, "current" | "change" | "onChange">;
  readonly store: CanaryStore;
  readonly measure: Measure;
  readonly audit: Pick<Audit, "append">;
  readonly metrics: CanaryMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly isLeading: () => boolean;
  readonly providers: readonly string[];
  /** Of canaries that are started without their own, in percent. */
  readonly steps: readonly number[];
  readonly holdMs: number;
  /** Between two looks at each canary. */
  readonly tickMs: number;
}

/** After a change of the control document, which often comes with others. */
const SOON_MS = 100;

/** The canaries, on their way for as long as this controller leads. Disposing of them awaits the turn that is under way. */
export function startCanaries(options: CanariesOptions): CanaryPort & AsyncDisposable {
  const { plane, clock, metrics, tickMs } = options;
  let stopped = false;
  const isLeading = (): boolean => !stopped && options.isLeading();
  const intents = new CanaryIntents({ plane, clock, isLeading });
  const desk = new CanaryService({ ...options, isLeading, intents });
  const runner = new CanaryRunner({ ...options, isLeading, intents, onDecision: metrics.decided });
  const turns = new ReconcileLoop(() => tryTurn(runner, options), tickMs);
  // A kill, or a flag that somebody sets, is not to wait for the next look.
  const listening = plane.onChange(() => turns.nudgeIn(SOON_MS));
  return {
    status: () => desk.status(),
    start: (order, by) => desk.start(order, by),
    pause: (order, by) => desk.pause(order, by),
    resume: (order, by) => desk.resume(order, by),
    abort: (order, by) => desk.abort(order, by),
    [Symbol.asyncDispose]: async () => {
      stopped = true;
      listening[Symbol.dispose]();
      await turns[Symbol.asyncDispose]();
    },
  };
}

async function tryTurn(runner: CanaryRunner, { log }: CanariesOptions): Promise<void> {
  try {
    await runner.turn();
  } catch (error) {
    log.warn({ err: error }, "the canaries stay where they are until the next turn");
  }
}
