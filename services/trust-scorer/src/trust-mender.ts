import { isDeepStrictEqual } from "node:util";
import type { Leading } from "@scbe/bus";
import { ScbeError, type TrustDocument } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import { applyMessage, type Reading } from "./domain/apply-message.ts";
import { type MendingPlan, planMending, UNMENDABLE, type Unmendable } from "./domain/mending.ts";
import { type Tellers, withTellers } from "./domain/tellers.ts";
import { documentOf, type TrustState } from "./domain/trust-state.ts";
import type { StreamSource, TrustStore } from "./ports.ts";

export interface TrustMenderOptions {
  readonly stream: StreamSource;
  readonly store: Pick<TrustStore, "former" | "shown">;
  readonly leadership: Pick<Leading, "leading">;
  readonly clock: Pick<Clock, "monotonic">;
  /** As it is now. */
  reading(): Reading;
}

/** Between two tries at the same value: a try may read the whole stream. */
const AGAIN_MS = 10_000;
const WHERE = "a person has to mend it: see services/trust-scorer/README.md";

/**
 * Makes a stored state that cannot be read again: the newest one before it that can be read, and every message of the stream after that. Where
 * the stream does not have all of them, something would be forgotten, and nothing is made.
 */
export class TrustMender {
  readonly #options: TrustMenderOptions;
  #failed: { readonly revision: number; readonly why: Unmendable; readonly atMs: number } | undefined;

  constructor(options: TrustMenderOptions) {
    this.#options = options;
  }

  /**
   * The state that is to stand in place of the unreadable value of this revision, with all of the stream applied.
   * @throws ScbeError INTERNAL with the reason why there is none; CONFLICT when this process leads no more; what store and stream throw
   */
  async mend(revision: number): Promise<TrustState> {
    const { clock } = this.#options;
    if (this.#failed?.revision === revision && clock.monotonic() - this.#failed.atMs < AGAIN_MS)
      throw unmendable(this.#failed.why);
    const mended = await this.#replay();
    this.#failed =
      typeof mended === "string" ? { revision, why: mended, atMs: clock.monotonic() } : undefined;
    if (typeof mended === "string") throw unmendable(mended);
    return mended;
  }

  async #replay(): Promise<TrustState | Unmendable> {
    const { stream, store } = this.#options;
    const [former, shown] = await Promise.all([store.former(), store.shown()]);
    const ends = await stream.bounds();
    const plan = planMending({ former, shown, stream: ends });
    return typeof plan === "string" ? plan : this.#replayFrom(plan, ends.last);
  }

  /** Numbers are looked at one by one: each subject has a bound of its own, so that messages may be gone from the midst of the stream. */
  async #replayFrom({ from, shown }: MendingPlan, last: number): Promise<TrustState | Unmendable> {
    const { stream, leadership } = this.#options;
    const reading = this.#options.reading();
    let state = withTellers(from, reading.tellers);
    if (!isAsShown(state, shown, reading.tellers)) return "differs";
    while (state.stream.seq < last) {
      if (!leadership.leading) throw new ScbeError("CONFLICT", "another scorer may lead by now");
      const batch = await stream.batch(state.stream.seq + 1, last);
      if (batch.length === 0) return "dropped";
      for (const message of batch) {
        if (message.seq !== state.stream.seq + 1) return "dropped";
        ({ state } = applyMessage(state, message, reading));
        if (!isAsShown(state, shown, reading.tellers)) return "differs";
      }
    }
    return state;
  }
}

function unmendable(why: Unmendable): ScbeError {
  return new ScbeError("INTERNAL", `what is stored is no state of trust, and ${UNMENDABLE[why]}; ${WHERE}`);
}

/** False where the state contradicts the document that was shown at the same place of the stream. */
function isAsShown(state: TrustState, shown: TrustDocument | undefined, tellers: Tellers): boolean {
  if (shown?.stream.seq !== state.stream.seq) return true;
  const lost = withTellers({ ...shown, recent: {} }, tellers);
  return isDeepStrictEqual(documentOf(state), documentOf(lost));
}
