import { isScbeError } from "@scbe/contracts";
import { type ControlDocument, supersedes } from "@scbe/envelope/control";
import { Listeners } from "@scbe/runtime";

/** The highest control document that this controller has seen, and whether the others have been told. */
export class HeldDocument {
  readonly #send: (document: ControlDocument) => void;
  readonly #listeners = new Listeners<[ControlDocument]>();
  #document: ControlDocument | undefined;
  #isUnsent = false;

  /** @param send broadcasts one; throws ScbeError DISCONNECTED */
  constructor(send: (document: ControlDocument) => void) {
    this.#send = send;
  }

  get document(): ControlDocument | undefined {
    return this.#document;
  }

  /** 0: none is held. */
  get generation(): number {
    return this.#document?.state.generation ?? 0;
  }

  /** True while the connection was down when it was to be sent. */
  get isUnsent(): boolean {
    return this.#isUnsent;
  }

  /** Runs after each change. */
  onChange(listener: (document: ControlDocument) => void): Disposable {
    return this.#listeners.add(listener);
  }

  /** False for one that does not take the place of what is held. */
  take(document: ControlDocument): boolean {
    if (!supersedes(document, this.#document)) return false;
    this.#document = document;
    this.#listeners.notify(document);
    return true;
  }

  /** Broadcasts it; while the connection is down it is unsent. */
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

  /** Resolves once one of that generation or a later one is held; `undefined` when there is none in that time. */
  async within(timeoutMs: number, generation = 1): Promise<ControlDocument | undefined> {
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
