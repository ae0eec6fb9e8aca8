import type { ControlDocumentResult, Environment } from "@scbe/contracts";
import { type ControlDocument, readControl, supersedes } from "@scbe/envelope/control";

export interface HeldControlOptions {
  readonly env: Environment;
  /** The controller's public nkey. */
  readonly publicKey: string;
  /** The highest generation that was held before this process started; 0: none is known. */
  readonly generationMin: number;
  /** Runs when another document is held, in the turn in which it arrived. */
  onApplied(document: ControlDocument): void;
}

/**
 * The control document that is obeyed: the one that supersedes all others that the controller has signed for this environment and
 * that have arrived, by whatever way. Nothing ever leads back to an older one.
 */
export class HeldControl {
  readonly #options: HeldControlOptions;
  #document: ControlDocument | undefined;

  constructor(options: HeldControlOptions) {
    this.#options = options;
  }

  get document(): ControlDocument | undefined {
    return this.#document;
  }

  /** Takes what arrived, JSON of a signed document, if it is news. */
  offer(bytes: Uint8Array): ControlDocumentResult {
    const { generationMin, onApplied } = this.#options;
    const next = readControl(bytes, this.#options);
    if (next === undefined) return "refused";
    if (next.state.generation < generationMin || !supersedes(next, this.#document)) return "old";
    this.#document = next;
    onApplied(next);
    return "applied";
  }
}
