import type { Leadership } from "@scbe/bus";
import { isScbeError } from "@scbe/contracts";
import { type Logger, type Readiness, ReconcileLoop } from "@scbe/runtime";
import type { ReuseRelay } from "./reuse-relay.ts";
import type { Scorer } from "./scorer.ts";

export interface KeepTrustOptions {
  readonly scorer: Scorer;
  readonly relay: ReuseRelay;
  readonly leadership: Pick<Leadership, "leading" | "standsBy" | "onChange">;
  readonly readiness: Readiness;
  readonly log: Logger;
}

/** Between two looks at the streams when nothing is new. */
const TURN_MS = 100;
const STATE = "trust state";
const REPORTS = "nonce reuse reports";

/** Has scorer and relay take their turns while this process leads, and shows how that goes, until it is disposed of. */
export function keepTrust({ scorer, relay, leadership, readiness, log }: KeepTrustOptions): AsyncDisposable {
  let failure: string | undefined;
  let deaf: string | undefined;
  const after = (error?: unknown): void => {
    const reason = error === undefined ? undefined : reasonOf(error);
    if (reason !== failure) {
      if (reason === undefined) log.info("trust is kept again");
      else log.error({ err: error }, "trust cannot be kept now");
    }
    failure = reason;
  };
  const forget = (): void => {
    scorer.forget();
    relay.forget();
  };
  const show = (): void => {
    if (!leadership.leading && !leadership.standsBy)
      readiness.set(STATE, { ok: false, reason: "nobody is known to lead" });
    else if (!leadership.leading) readiness.set(STATE, { ok: true, note: "stands by: another scorer leads" });
    else if (failure !== undefined) readiness.set(STATE, { ok: false, reason: failure });
    else if (scorer.document === undefined) readiness.set(STATE, { ok: false, reason: "not read yet" });
    else readiness.set(STATE, { ok: true });
    const note = `reports of nonce reuse are not read: ${deaf}`;
    readiness.set(REPORTS, { ok: true, ...(leadership.leading && deaf !== undefined && { note }) });
  };
  // Guards that are away, or frozen, hold up no evidence of tellers: their reports are read when one is back.
  const relayTurns = new ReconcileLoop(async () => {
    if (!leadership.leading) return;
    try {
      await relay.turn();
      if (deaf !== undefined) log.info("reports of nonce reuse are read again");
      deaf = undefined;
    } catch (error) {
      relay.forget();
      const reason = reasonOf(error);
      if (reason !== deaf) log.error({ err: error }, "reports of nonce reuse cannot be read now");
      deaf = reason;
    }
    show();
  }, TURN_MS);
  const turns: ReconcileLoop = new ReconcileLoop(async () => {
    if (leadership.leading) {
      try {
        const isFirst = scorer.document === undefined;
        if (await scorer.turn()) turns.nudge();
        // A state that was begun anew needs the reports again.
        if (isFirst) relay.forget();
        after();
      } catch (error) {
        forget();
        after(error);
      }
    } else after();
    show();
  }, TURN_MS);
  const following = leadership.onChange(() => {
    forget();
    turns.nudge();
  });
  readiness.declare(STATE);
  readiness.set(REPORTS, { ok: true });
  return {
    [Symbol.asyncDispose]: async () => {
      following[Symbol.dispose]();
      await Promise.all([turns[Symbol.asyncDispose](), relayTurns[Symbol.asyncDispose]()]);
    },
  };
}

/** No defect's own words. */
function reasonOf(error: unknown): string {
  return isScbeError(error) ? `${error.code}: ${error.message}` : "INTERNAL: see the log";
}
