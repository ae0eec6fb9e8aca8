import { isScbeError } from "@scbe/contracts";
import { type Leadership, type Logger, type Readiness, Turns } from "@scbe/service-kit";
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

/** Has scorer and relay take their turns while this process leads, and shows how that goes, until it is disposed of. */
export function keepTrust({ scorer, relay, leadership, readiness, log }: KeepTrustOptions): AsyncDisposable {
  let failure: string | undefined;
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
  };
  const turns: Turns = new Turns(async () => {
    if (leadership.leading) {
      try {
        await relay.turn();
        if (await scorer.turn()) turns.nudge();
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
  return {
    [Symbol.asyncDispose]: async () => {
      following[Symbol.dispose]();
      await turns[Symbol.asyncDispose]();
    },
  };
}

/** No defect's own words. */
function reasonOf(error: unknown): string {
  return isScbeError(error) ? `${error.code}: ${error.message}` : "INTERNAL: see the log";
}
