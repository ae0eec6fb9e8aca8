import { setTimeout as delay } from "node:timers/promises";
import { isScbeError, ScbeError } from "@scbe/contracts";
import { backoffMs } from "@scbe/runtime";
import type { OverrideStore, StoredOverrides } from "../edge/kv-override-store.ts";
import { type PendingOverrides, withOverrides, withoutOverride } from "./overrides.ts";

export interface OverrideRecordOptions {
  readonly store: OverrideStore;
  /** Runs after an unreadable stored value was replaced, with a description of the new value. */
  readonly onMended: (into: string) => void;
}

/** Tries of a write while others write too. Each try that fails means that another controller's change was made. */
const TRIES_MAX = 64;
const PAUSE = { firstMs: 5, maxMs: 250 };

/** The pending overrides that all controllers share. No change is lost to another one. An unreadable value is replaced first. */
export class OverrideRecord {
  readonly #options: OverrideRecordOptions;

  constructor(options: OverrideRecordOptions) {
    this.#options = options;
  }

  /** @throws ScbeError what the store throws */
  async read(): Promise<PendingOverrides> {
    return (await this.#change((pending) => pending)).after;
  }

  /**
   * Adds all of them, or none.
   * @throws ScbeError BUSY when too many wait; NOT_READY when the store does not confirm them
   */
  async add(further: PendingOverrides): Promise<void> {
    try {
      await this.#change((pending) => withOverrides(pending, further));
    } catch (cause) {
      if (!isScbeError(cause)) throw cause;
      if (cause.code === "BUSY" || cause instanceof NotConfirmed) throw cause;
      const says = `the store takes no trust override now, and nothing of this one was kept: ${cause.message}`;
      throw new ScbeError("NOT_READY", says, { cause });
    }
  }

  /**
   * @returns false when it was removed before
   * @throws ScbeError what the store throws
   */
  async remove(id: string): Promise<boolean> {
    const { before, after } = await this.#change((pending) => withoutOverride(pending, id));
    return after !== before;
  }

  async #change(change: (pending: PendingOverrides) => PendingOverrides): Promise<Changed> {
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

  async #write(pending: PendingOverrides, { revision }: StoredOverrides): Promise<boolean> {
    try {
      return await this.#options.store.write(pending, revision);
    } catch (cause) {
      throw isScbeError(cause) ? new NotConfirmed(cause) : cause;
    }
  }
}

interface Changed {
  readonly before: PendingOverrides;
  readonly after: PendingOverrides;
}

/** The store may or may not have the written value. */
class NotConfirmed extends ScbeError {
  constructor(cause: ScbeError) {
    const says = `the store has not confirmed that it keeps the override (${cause.code}); see whether it takes effect before you send it again`;
    super("NOT_READY", says, { cause });
  }
}

function mendedInto({ length }: PendingOverrides): string {
  return length === 0 ? "no trust overrides" : `the ${length} trust overrides that waited before`;
}
