import { setTimeout as delay } from "node:timers/promises";
import { ScbeError } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import type { Audit } from "../ports.ts";
import {
  type ClearOrder,
  type FiringRow,
  firingKey,
  isActive,
  listFirings,
  withoutFiring,
} from "./firings.ts";
import type { ProcessedAlerts } from "./processed-alerts.ts";

export interface KnownFiringsOptions {
  readonly processed: Pick<ProcessedAlerts, "current" | "update">;
  readonly audit: Pick<Audit, "append">;
  readonly clock: Pick<Clock, "now">;
  /** A firing that Alertmanager did not send for this long is forgotten. */
  readonly forgetMs: number;
}

/** The processed firings, for persons to list and clear. */
export interface FiringsPort {
  list(): readonly FiringRow[];
  /**
   * Forgets a firing, so that it acts again if it is reported again.
   * @throws ScbeError CONFLICT if it is not active, NOT_READY if that cannot be stored now
   */
  clear(order: ClearOrder, by: string): Promise<readonly FiringRow[]>;
}

const STORE_TIMEOUT_MS = 3000;

/** The firings in the record that all controllers share. */
export class KnownFirings implements FiringsPort {
  readonly #options: KnownFiringsOptions;

  constructor(options: KnownFiringsOptions) {
    this.#options = options;
  }

  list(): readonly FiringRow[] {
    const { processed, clock, forgetMs } = this.#options;
    return listFirings(processed.current.firings, { now: clock.now(), forgetMs });
  }

  async clear({ alertname, provider, reason }: ClearOrder, by: string): Promise<readonly FiringRow[]> {
    const { processed, audit, clock, forgetMs } = this.#options;
    const time = { now: clock.now(), forgetMs };
    const key = firingKey(alertname, provider ?? undefined);
    if (!isActive(processed.current.firings, key, time)) throw notActive(alertname, provider);
    const update = processed.update((state) => {
      const firings = withoutFiring(state.firings, key, time);
      return firings === state.firings ? state : { ...state, firings };
    });
    const isCleared = update.then((changed) => {
      if (changed)
        audit.append({ at: time.now, action: "alert-clear", by, reason, before: { alertname, provider } });
      return changed;
    });
    const cleared = await Promise.race([isCleared, delay(STORE_TIMEOUT_MS, undefined, { ref: false })]);
    if (cleared === undefined)
      throw new ScbeError("NOT_READY", "the store does not answer; the firing is cleared once it does");
    if (!cleared) throw notActive(alertname, provider);
    return this.list();
  }
}

function notActive(alertname: string, provider: string | null): ScbeError {
  const of = provider === null ? "" : ` of ${provider}`;
  return new ScbeError("CONFLICT", `no firing of ${alertname}${of} was acted on; GET /alerts lists them`);
}
