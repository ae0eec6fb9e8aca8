import { isScbeError } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import type { Canary, Intent } from "../domain/canary/canary-record.ts";
import { CANARY_ACTOR, dropIntent, finishIntent } from "../domain/canary/settle-intent.ts";
import { fenceOff, isCarriedOut, shareChange } from "../domain/canary/share-change.ts";
import type { Actor, ControlPlane } from "../ports.ts";
import type { CanaryPage } from "./canary-store.ts";

export interface CanaryIntentsOptions {
  readonly plane: Pick<ControlPlane, "change">;
  readonly clock: Clock;
  readonly isLeading: () => boolean;
}

/**
 * From a stored intent to a changed share to a canary without it. A process can end between any two of these, and another one take over:
 * the share is changed once or not at all, and what is stored comes to say which.
 */
export class CanaryIntents {
  readonly #options: CanaryIntentsOptions;
  #line: Promise<unknown> = Promise.resolve();

  constructor(options: CanaryIntentsOptions) {
    this.#options = options;
  }

  /** One after the other: what an order of this very controller has under way is not left behind. */
  inLine<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#line.then(work);
    this.#line = done.catch(() => undefined);
    return done;
  }

  /**
   * Makes the change of an intent that was just stored.
   * @returns the canary after it; `undefined` when somebody else has taken it over
   * @throws what the control plane and the store throw; the intent then stays, and is settled later
   */
  async carryOut(page: CanaryPage, canary: Canary): Promise<Canary | undefined> {
    const { plane, clock, isLeading } = this.#options;
    const { intent } = canary;
    if (intent === null) return canary;
    // Whoever leads now decides anew.
    if (intent.by === CANARY_ACTOR && !isLeading()) return undefined;
    try {
      await plane.change(shareChange(canary.provider, intent), actorOf(intent));
    } catch (error) {
      if (!isScbeError(error, "CONFLICT")) throw error;
      return this.settle(page, canary, error.message);
    }
    return put(page, finishIntent(canary, clock.now()));
  }

  /**
   * Finds out what became of an intent that somebody has left behind, and makes sure that it stays so.
   * @returns as {@link carryOut}
   * @throws as {@link carryOut}
   */
  async settle(
    page: CanaryPage,
    canary: Canary,
    why = "whoever was about to do it did not",
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
