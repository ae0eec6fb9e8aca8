import { setTimeout as delay } from "node:timers/promises";
import { isScbeError, ScbeError } from "@scbe/contracts";
import { backoffMs } from "@scbe/runtime";
import { type PendingOverrides, withOverrides, withoutOverride } from "../domain/pending-overrides.ts";
import type { OverrideStore, StoredOverrides } from "../edge/kv-override-store.ts";

export interface OverrideRecordOptions {
  readonly store: OverrideStore;
  /** Runs once a stored value that could not be read was replaced, with what it was replaced by. */
  readonly onMended: (into: string) => void;
}

/** Tries to write while others write as well. Each lost one is another's change that was made. */
const TRIES_MAX = 64;
const PAUSE = { firstMs: 5, maxMs: 250 };

/** The words that wait, shared by the controllers: no change of one is lost to another. A value that cannot be read is mended first. */
export class OverrideRecord {
  readonly #options: OverrideRecordOptions;

  constructor(options: OverrideRecordOptions) {
    this.#options = options;
  }

  /** @throws ScbeError what the store throws */
  async read(): Promise<PendingOverrides> {
    return (await this.#change((words) => words)).after;
  }

  /**
   * Adds all of them, or none.
   * @throws ScbeError BUSY when too many wait; NOT_READY when they are not known to be stored
   */
  async add(further: PendingOverrides): Promise<void> {
    try {
      await this.#change((words) => withOverrides(words, further));
    } catch (cause) {
      if (!isScbeError(cause)) throw cause;
      if (cause.code === "BUSY" || cause instanceof NotConfirmed) throw cause;
      const says = `the store keeps no word about trust now, and nothing of this one was kept: ${cause.message}`;
      throw new ScbeError("NOT_READY", says, { cause });
    }
  }

  /**
   * @returns false when it was not there any more
   * @throws ScbeError what the store throws
   */
  async remove(id: string): Promise<boolean> {
    const { before, after } = await this.#change((words) => withoutOverride(words, id));
    return after !== before;
  }

  async #change(change: (words: PendingOverrides) => PendingOverrides): Promise<Changed> {
    const { store, onMended } = this.#options;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const stored = await store.read();
      const after = change(stored.words);
      const changed = { before: stored.words, after };
      if (stored.isReadable && after === stored.words) return changed;
      if (!(await this.#write(after, stored))) {
        await delay(backoffMs(tries + 1, Math.random(), PAUSE));
        continue;
      }
      if (!stored.isReadable) onMended(mendedInto(stored.words));
      return changed;
    }
    throw new ScbeError("CONFLICT", `${TRIES_MAX} writes in a row lost to other controllers; try again`);
  }

  async #write(words: PendingOverrides, { revision }: StoredOverrides): Promise<boolean> {
    try {
      return await this.#options.store.write(words, revision);
    } catch (cause) {
      throw isScbeError(cause) ? new NotConfirmed(cause) : cause;
    }
  }
}

interface Changed {
  readonly before: PendingOverrides;
  readonly after: PendingOverrides;
}

/** The store may have taken what was written, or not. */
class NotConfirmed extends ScbeError {
  constructor(cause: ScbeError) {
    const says = `the store has not confirmed that it keeps the word (${cause.code}); see whether it comes about before you say it again`;
    super("NOT_READY", says, { cause });
  }
}

function mendedInto({ length }: PendingOverrides): string {
  return length === 0 ? "no words about trust" : `the ${length} words about trust that waited before`;
}
