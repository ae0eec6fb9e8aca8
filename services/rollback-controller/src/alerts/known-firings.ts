import { setTimeout as delay } from "node:timers/promises";
import { ScbeError } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import { firingKey, isStanding, withoutFiring } from "../domain/firings.ts";
import { type ClearOrder, type FiringRow, showFirings } from "../domain/show-firings.ts";
import type { Audit } from "../ports.ts";
import type { ProcessedAlerts } from "./processed-alerts.ts";

export interface KnownFiringsOptions {
  readonly acted: Pick<ProcessedAlerts, "current" | "update">;
  readonly audit: Pick<Audit, "append">;
  readonly clock: Pick<Clock, "now">;
  /** A firing that Alertmanager has not told for this long is forgotten. */
  readonly forgetMs: number;
}

/** What persons can see and do of the firings that were acted on. */
export interface FiringsPort {
  list(): readonly FiringRow[];
  /**
   * Forgets one, so that it acts again when it is told again.
   * @throws ScbeError CONFLICT where it does not stand, NOT_READY while that cannot be stored
   */
  clear(order: ClearOrder, by: string): Promise<readonly FiringRow[]>;
}

const STORE_TIMEOUT_MS = 3000;

/** By the record that all controllers share. */
export class KnownFirings implements FiringsPort {
  readonly #options: KnownFiringsOptions;

  constructor(options: KnownFiringsOptions) {
    this.#options = options;
  }

  list(): readonly FiringRow[] {
    const { acted, clock, forgetMs } = this.#options;
    return showFirings(acted.current.firings, { now: clock.now(), forgetMs });
  }

  async clear({ alertname, provider, reason }: ClearOrder, by: string): Promise<readonly FiringRow[]> {
    const { acted, audit, clock, forgetMs } = this.#options;
    const time = { now: clock.now(), forgetMs };
    const key = firingKey(alertname, provider ?? undefined);
    if (!isStanding(acted.current.firings, key, time)) throw notStanding(alertname, provider);
    const update = acted.update((state) => {
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
    if (!cleared) throw notStanding(alertname, provider);
    return this.list();
  }
}

function notStanding(alertname: string, provider: string | null): ScbeError {
  const of = provider === null ? "" : ` of ${provider}`;
  return new ScbeError("CONFLICT", `no firing of ${alertname}${of} was acted on; GET /alerts lists them`);
}
