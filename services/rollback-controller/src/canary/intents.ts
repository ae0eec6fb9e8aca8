import { isScbeError } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import type { Actor, ControlPlane } from "../ports.ts";
import { CANARY_ACTOR, dropIntent, finishIntent } from "./advance.ts";
import type { Canary, Intent } from "./record.ts";
import { fenceOff, isCarriedOut, shareChange } from "./share.ts";
import type { CanaryPage } from "./store.ts";

export interface CanaryIntentsOptions {
  readonly plane: Pick<ControlPlane, "change">;
  readonly clock: Clock;
  readonly isLeading: () => boolean;
}

/**
 * Carries out stored intents: changes the share, then stores the canary without the intent. A controller may end between any two of these
 * steps and another one take over. The share is still changed at most once, and the store ends up with the true outcome.
 */
export class CanaryIntents {
  readonly #options: CanaryIntentsOptions;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: CanaryIntentsOptions) {
    this.#options = options;
  }

  /** Runs one work at a time, so that a pass does not take an order of its own controller for an abandoned one. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  /**
   * Makes the change of an intent that was just stored.
   * @returns the canary after it; `undefined` when another controller has taken it over
   * @throws what the control plane and the store throw; the intent then stays, and a later pass reconciles it
   */
  async carryOut(page: CanaryPage, canary: Canary): Promise<Canary | undefined> {
    const { plane, clock, isLeading } = this.#options;
    const { intent } = canary;
    if (intent === null) return canary;
    // The controller that leads now decides again.
    if (intent.by === CANARY_ACTOR && !isLeading()) return undefined;
    try {
      await plane.change(shareChange(canary.provider, intent), actorOf(intent));
    } catch (error) {
      if (!isScbeError(error, "CONFLICT")) throw error;
      return this.reconcile(page, canary, error.message);
    }
    return put(page, finishIntent(canary, clock.now()));
  }

  /**
   * Finds out whether an abandoned intent was carried out, and makes the answer final.
   * @returns as {@link carryOut}
   * @throws as {@link carryOut}
   */
  async reconcile(
    page: CanaryPage,
    canary: Canary,
    why = "the controller that took the order ended before",
  ): Promise<Canary | undefined> {
    const { plane, clock } = this.#options;
    const { intent } = canary;
    if (intent === null) return canary;
    const change = intent.kind === "lower" ? shareChange(canary.provider, intent) : fenceOff(intent);
    const { after } = await plane.change(change, actorOf(intent));
    const isDone = isCarriedOut(canary, intent, after);
    return put(page, isDone ? finishIntent(canary, clock.now()) : dropIntent(canary, why, clock.now()));
  }
}

function actorOf({ by, reason }: Intent): Actor {
  return { by, reason };
}

async function put(page: CanaryPage, canary: Canary): Promise<Canary | undefined> {
  return (await page.put(canary)) ? canary : undefined;
}
