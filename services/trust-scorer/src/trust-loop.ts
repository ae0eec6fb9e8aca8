import type { Leadership } from "@scbe/bus";
import { isScbeError } from "@scbe/contracts";
import { type Logger, type Readiness, ReconcileLoop } from "@scbe/runtime";
import type { ReuseRelay } from "./reuse-relay.ts";
import type { Scorer } from "./scorer.ts";

export interface TrustLoopOptions {
  readonly scorer: Scorer;
  readonly relay: ReuseRelay;
  readonly leadership: Pick<Leadership, "leading" | "standsBy" | "onChange">;
  readonly readiness: Readiness;
  readonly log: Logger;
}

/** Between two reads of the streams when they have nothing new. */
const PASS_MS = 100;
const STATE = "trust state";
const REPORTS = "nonce reuse reports";

/** Runs the passes of scorer and relay while this process leads, and publishes their outcome, until it is disposed of. */
export function startTrustLoop(options: TrustLoopOptions): AsyncDisposable {
  const { scorer, relay, leadership, readiness, log } = options;
  let scorerFailure: string | undefined;
  let relayFailure: string | undefined;
  const setScorerFailure = (error?: unknown): void => {
    const reason = error === undefined ? undefined : reasonOf(error);
    if (reason !== scorerFailure) {
      if (reason === undefined) log.info("trust is kept again");
      else log.error({ err: error }, "trust cannot be kept now");
    }
    scorerFailure = reason;
  };
  const forget = (): void => {
    scorer.forget();
    relay.forget();
  };
  const updateReadiness = (): void => {
    if (!leadership.leading && !leadership.standsBy)
      readiness.set(STATE, { ok: false, reason: "no leader is known" });
    else if (!leadership.leading) readiness.set(STATE, { ok: true, note: "stands by: another scorer leads" });
    else if (scorerFailure !== undefined) readiness.set(STATE, { ok: false, reason: scorerFailure });
    else if (scorer.document === undefined) readiness.set(STATE, { ok: false, reason: "not read yet" });
    else readiness.set(STATE, { ok: true });
    const note = `reports of nonce reuse are not read: ${relayFailure}`;
    readiness.set(REPORTS, { ok: true, ...(leadership.leading && relayFailure !== undefined && { note }) });
  };
  // A loop of its own: guards that are away or frozen must not delay the outcomes. Their reports are read when one is back.
  const relayLoop = new ReconcileLoop(async () => {
    if (!leadership.leading) return;
    try {
      await relay.reconcile();
      if (relayFailure !== undefined) log.info("reports of nonce reuse are read again");
      relayFailure = undefined;
    } catch (error) {
      relay.forget();
      const reason = reasonOf(error);
      if (reason !== relayFailure) log.error({ err: error }, "reports of nonce reuse cannot be read now");
      relayFailure = reason;
    }
    updateReadiness();
  }, PASS_MS);
  const scorerLoop: ReconcileLoop = new ReconcileLoop(async () => {
    if (leadership.leading) {
      try {
        const isFirst = scorer.document === undefined;
        if (await scorer.reconcile()) scorerLoop.nudge();
        // An empty state needs all reports again.
        if (isFirst) relay.forget();
        setScorerFailure();
      } catch (error) {
        forget();
        setScorerFailure(error);
      }
    } else setScorerFailure();
    updateReadiness();
  }, PASS_MS);
  const following = leadership.onChange(() => {
    forget();
    scorerLoop.nudge();
  });
  readiness.declare(STATE);
  readiness.set(REPORTS, { ok: true });
  return {
    [Symbol.asyncDispose]: async () => {
      following[Symbol.dispose]();
      await Promise.all([scorerLoop[Symbol.asyncDispose](), relayLoop[Symbol.asyncDispose]()]);
    },
  };
}

/** The texts of foreign errors are not shown. */
function reasonOf(error: unknown): string {
  return isScbeError(error) ? `${error.code}: ${error.message}` : "INTERNAL: see the log";
}
