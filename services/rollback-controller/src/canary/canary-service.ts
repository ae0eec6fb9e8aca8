import { cutText, REASON_MAX, ScbeError } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import type { Canary } from "../domain/canary/canary-record.ts";
import { shareOf } from "../domain/canary/place-of.ts";
import { shareChange } from "../domain/canary/share-change.ts";
import {
  abortCanary,
  beginCanary,
  type Ordered,
  pauseCanary,
  resumeCanary,
} from "../domain/canary/take-order.ts";
import type { AbortOrder, PauseOrder, ResumeOrder, StartOrder } from "../domain/canary-orders.ts";
import type { Actor, Audit, ControlPlane } from "../ports.ts";
import { auditCanary } from "./audit-canary.ts";
import type { CanaryIntents } from "./canary-intents.ts";
import type { CanaryPort, CanaryStatus, ShownCanary } from "./canary-port.ts";
import { CanaryPage, type CanaryStore } from "./canary-store.ts";

export interface CanaryServiceOptions {
  readonly plane: Pick<ControlPlane, "current">;
  readonly store: CanaryStore;
  readonly intents: CanaryIntents;
  readonly audit: Pick<Audit, "append">;
  readonly clock: Clock;
  readonly isLeading: () => boolean;
  readonly providers: readonly string[];
  /** Of canaries that are started without their own, in percent. */
  readonly steps: readonly number[];
  readonly holdMs: number;
}

/** A canary as a person's order leaves it. */
type Take = (canary: Canary | undefined, ordered: Ordered) => Canary;

const TRIES_MAX = 8;

/** Takes people's orders, on whichever controller they arrive. */
export class CanaryService implements CanaryPort {
  readonly #options: CanaryServiceOptions;

  constructor(options: CanaryServiceOptions) {
    this.#options = options;
  }

  async status(): Promise<CanaryStatus> {
    const { store, isLeading } = this.#options;
    const { canaries } = await CanaryPage.read(store);
    return { leading: isLeading(), canaries: canaries.map(show) };
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

  async #order({ provider, reason }: PauseOrder, by: string, take: Take): Promise<CanaryStatus> {
    if (!this.#options.providers.includes(provider))
      throw new ScbeError("BAD_REQUEST", `provider: ${provider} is not served here`);
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const actor = { by, reason: cutText(reason, REASON_MAX) };
      const done = await this.#options.intents.inLine(() => this.#try(provider, actor, take));
      if (done) return this.status();
    }
    throw new ScbeError("CONFLICT", "others change this canary all the time; try again");
  }

  /** False when somebody else changed it meanwhile. */
  async #try(provider: string, actor: Actor, take: Take): Promise<boolean> {
    const { store, intents, plane, audit, clock } = this.#options;
    const page = await CanaryPage.read(store);
    const found = page.get(provider);
    const before = found === undefined ? undefined : await intents.settle(page, found);
    if (found !== undefined && before === undefined) return false;
    if (plane.current === undefined) throw new ScbeError("NOT_READY", "the control document is not read yet");
    const { state } = plane.current;
    const after = take(before, { ...actor, state, now: clock.now() });
    // What cannot be carried out is refused before anything is written.
    if (after.intent !== null) shareChange(provider, after.intent)(state);

    if (!(await page.put(after))) return false;
    auditCanary(audit, { before, after, at: clock.now(), ...actor });
    const settled = await intents.carryOut(page, after);
    if (settled?.state === "paused" && after.state === "running")
      throw new ScbeError("CONFLICT", `${settled.why}; the canary is paused`);
    return true;
  }
}

function existing(canary: Canary | undefined, { provider }: { readonly provider: string }): Canary {
  if (canary === undefined) throw new ScbeError("CONFLICT", `there is no canary of ${provider}; start one`);
  return canary;
}

function show(canary: Canary): ShownCanary {
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
