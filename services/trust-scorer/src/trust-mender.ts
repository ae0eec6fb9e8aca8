import { isDeepStrictEqual } from "node:util";
import type { Leading } from "@scbe/bus";
import { ScbeError, type TrustDocument } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import { type ApplyRules, applyMessage } from "./domain/apply.ts";
import { type Tellers, withTellers } from "./domain/tellers.ts";
import { documentOf, emptyTrust, type TrustState } from "./domain/trust-state.ts";
import type { StreamSource, TrustStore } from "./ports.ts";

export interface TrustMenderOptions {
  readonly stream: StreamSource;
  readonly store: Pick<TrustStore, "newestReadable" | "readDocument">;
  readonly leadership: Pick<Leading, "leading">;
  readonly clock: Pick<Clock, "monotonic">;
  /** As they are now. */
  rules(): ApplyRules;
}

/** Between two attempts at the same value: an attempt can read the whole stream. */
const RETRY_MS = 10_000;
const WHERE = "an operator has to repair it: see services/trust-scorer/README.md";

/**
 * Rebuilds an unreadable stored state: from the newest readable state before it, and every message of the stream after that. If the stream
 * does not have all of them, it refuses, because latches or evidence would be lost.
 */
export class TrustMender {
  readonly #options: TrustMenderOptions;
  #failed: { readonly revision: number; readonly why: Unmendable; readonly atMs: number } | undefined;

  constructor(options: TrustMenderOptions) {
    this.#options = options;
  }

  /**
   * The state that replaces the unreadable value of this revision, with all of the stream applied.
   * @throws ScbeError INTERNAL with the reason why it cannot be rebuilt; CONFLICT when this process no longer leads; what store and stream
   *   throw
   */
  async mend(revision: number): Promise<TrustState> {
    const { clock } = this.#options;
    if (this.#failed?.revision === revision && clock.monotonic() - this.#failed.atMs < RETRY_MS)
      throw unmendable(this.#failed.why);
    const mended = await this.#replay();
    this.#failed =
      typeof mended === "string" ? { revision, why: mended, atMs: clock.monotonic() } : undefined;
    if (typeof mended === "string") throw unmendable(mended);
    return mended;
  }

  async #replay(): Promise<TrustState | Unmendable> {
    const { stream, store } = this.#options;
    const [former, document] = await Promise.all([store.newestReadable(), store.readDocument()]);
    const bounds = await stream.bounds();
    const plan = planMending({ former, document, stream: bounds });
    return typeof plan === "string" ? plan : this.#replayFrom(plan, bounds.last);
  }

  /** Checks each number: the stream limits each subject, so messages can be missing from its middle. */
  async #replayFrom({ from, document }: MendingPlan, last: number): Promise<TrustState | Unmendable> {
    const { stream, leadership } = this.#options;
    const rules = this.#options.rules();
    let state = withTellers(from, rules.tellers);
    if (!agrees(state, document, rules.tellers)) return "differs";
    while (state.stream.seq < last) {
      if (!leadership.leading) throw new ScbeError("CONFLICT", "another scorer may lead by now");
      const batch = await stream.batch(state.stream.seq + 1, last);
      if (batch.length === 0) return "dropped";
      for (const message of batch) {
        if (message.seq !== state.stream.seq + 1) return "dropped";
        ({ state } = applyMessage(state, message, rules));
        if (!agrees(state, document, rules.tellers)) return "differs";
      }
    }
    return state;
  }
}

/** Why a state cannot be rebuilt, for operators. */
const UNMENDABLE = {
  unattested: "no state before it can be read, and no document says what it was",
  otherStream: "the trust stream was made anew since the newest state that can be read",
  shorter: "the trust stream ends before what was applied: was it restored?",
  dropped: "the trust stream has dropped messages that it needs",
  differs: "the trust stream does not lead to the document that was published",
} as const;
type Unmendable = keyof typeof UNMENDABLE;

function unmendable(why: Unmendable): ScbeError {
  return new ScbeError(
    "INTERNAL",
    `the stored value is not a state of trust, and ${UNMENDABLE[why]}; ${WHERE}`,
  );
}

interface Remains {
  /** The newest readable state before the unreadable one; undefined: none. */
  readonly former: TrustState | undefined;
  /** The last published document; undefined: none, or unreadable. */
  readonly document: TrustDocument | undefined;
  readonly stream: { readonly created: string; readonly first: number; readonly last: number };
}

/** The state to replay from, and the document to compare with on the way, if it is newer. */
interface MendingPlan {
  readonly from: TrustState;
  readonly document: TrustDocument | undefined;
}

/**
 * The start of the replay, as far as it can be decided before the stream is read. Without a readable state the replay begins at the first
 * message; only the document then shows whether there was an earlier stream whose latches still hold.
 */
function planMending({ former, document: published, stream }: Remains): MendingPlan | Unmendable {
  const { created, first, last } = stream;
  const document = published?.stream.created === created ? published : undefined;
  if (former === undefined && document === undefined) return "unattested";
  const from = former ?? emptyTrust(created);
  if (from.stream.created !== created) return "otherStream";
  if (Math.max(from.stream.seq, document?.stream.seq ?? 0) > last) return "shorter";
  if (first > from.stream.seq + 1) return "dropped";
  return { from, document };
}

/** False if the state contradicts the document at the document's place in the stream. */
function agrees(state: TrustState, document: TrustDocument | undefined, tellers: Tellers): boolean {
  if (document?.stream.seq !== state.stream.seq) return true;
  const expected = withTellers({ ...document, recent: {} }, tellers);
  return isDeepStrictEqual(documentOf(state), documentOf(expected));
}
