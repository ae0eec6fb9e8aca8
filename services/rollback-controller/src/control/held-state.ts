import { type ControlState, isScbeError } from "@scbe/contracts";
import { type ControlDocument, supersedes } from "@scbe/envelope/control";
import { Listeners } from "@scbe/runtime";
import { engageKill, type ScopedKill } from "./state.ts";

/** The highest control document that this controller has seen, and whether it was broadcast. */
export class HeldDocument {
  readonly #send: (document: ControlDocument) => void;
  readonly #listeners = new Listeners<[ControlDocument]>();
  #document: ControlDocument | undefined;
  #isUnsent = false;

  /** @param send broadcasts a document; throws ScbeError DISCONNECTED */
  constructor(send: (document: ControlDocument) => void) {
    this.#send = send;
  }

  get document(): ControlDocument | undefined {
    return this.#document;
  }

  /** 0: no document is held. */
  get generation(): number {
    return this.#document?.state.generation ?? 0;
  }

  /** True if the connection was down at the last {@link send}. */
  get isUnsent(): boolean {
    return this.#isUnsent;
  }

  /** Runs after each change. */
  onChange(listener: (document: ControlDocument) => void): Disposable {
    return this.#listeners.add(listener);
  }

  /** False if it does not supersede the held document. */
  take(document: ControlDocument): boolean {
    if (!supersedes(document, this.#document)) return false;
    this.#document = document;
    this.#listeners.notify(document);
    return true;
  }

  /** Broadcasts the held document; {@link isUnsent} if the connection is down. */
  send(): void {
    if (this.#document === undefined) return;
    try {
      this.#send(this.#document);
      this.#isUnsent = false;
    } catch (error) {
      if (!isScbeError(error, "DISCONNECTED")) throw error;
      this.#isUnsent = true;
    }
  }

  /** Resolves once a document of that generation or a later one is held; with `undefined` after the timeout. */
  async waitFor(timeoutMs: number, generation = 1): Promise<ControlDocument | undefined> {
    if (this.generation >= generation) return this.#document;
    const { promise, resolve } = Promise.withResolvers<ControlDocument | undefined>();
    using _listening = this.onChange((it) => {
      if (it.state.generation >= generation) resolve(it);
    });
    const timer = setTimeout(resolve, timeoutMs, undefined);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A kill, and the digests of sent or received documents that include it. */
interface Pending {
  readonly kill: ScopedKill;
  readonly digests: Set<string>;
}

/** Digests that are remembered for one kill. */
const DIGESTS_MAX = 64;
/** No provider has this name. */
const EVERYTHING = "*";

/** Kills that were ordered here and are not known to be stored: at most one of everything and one of each provider. */
export class PendingKills {
  readonly #kills = new Map<string, Pending>();

  get size(): number {
    return this.#kills.size;
  }

  list(): readonly ScopedKill[] {
    return [...this.#kills.values()].map(({ kill }) => kill);
  }

  /** An availability kill does not replace an integrity kill. */
  add(kill: ScopedKill): void {
    const key = kill.provider ?? EVERYTHING;
    if (this.#kills.get(key)?.kill.kill.cause !== "integrity")
      this.#kills.set(key, { kill, digests: new Set() });
  }

  /**
   * Notes a document that was sent or received. A document whose `after_digest` names a stored document with a kill in it was made with
   * knowledge of that kill, even if it releases it. So the kill is stored, even if this controller cannot reach the store.
   */
  note({ state, digest }: ControlDocument): void {
    for (const [key, { kill, digests }] of this.#kills) {
      if (state.after_digest !== undefined && digests.has(state.after_digest)) this.#kills.delete(key);
      else if (engageKill(state, kill) === state && digests.size < DIGESTS_MAX) digests.add(digest);
    }
  }

  /** Forgets exactly these: the stored document includes them or releases them. */
  remove(kills: readonly ScopedKill[]): void {
    for (const [key, { kill }] of this.#kills) if (kills.includes(kill)) this.#kills.delete(key);
  }

  /** Forgets those that a stored state includes. */
  removeStored(state: ControlState): void {
    this.remove(this.list().filter((kill) => engageKill(state, kill) === state));
  }
}
