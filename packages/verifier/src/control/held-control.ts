import { SignedBroadcasts } from "@scbe/bus";
import type { Environment, SignedMessageResult } from "@scbe/contracts";
import {
  type ClaimedControl,
  type ControlDocument,
  claimedControl,
  supersedes,
  verifiedControl,
} from "@scbe/envelope/control";
import type { Clock } from "@scbe/runtime";

export interface HeldControlOptions {
  readonly clock: Pick<Clock, "monotonic">;
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
  readonly #broadcasts: SignedBroadcasts<ClaimedControl, ControlDocument>;
  #document: ControlDocument | undefined;

  constructor(options: HeldControlOptions) {
    this.#options = options;
    const { clock, generationMin } = options;
    this.#broadcasts = new SignedBroadcasts({
      clock,
      parse: claimedControl,
      isNews: (claim) => claim.state.generation >= generationMin && supersedes(claim, this.#document),
      verify: ({ signed }) => verifiedControl(signed, options),
    });
  }

  get document(): ControlDocument | undefined {
    return this.#document;
  }

  /**
   * Takes what arrived, JSON of a signed document, if it is news.
   * @param isAsked it came with the answer to a question of this process
   */
  offer(bytes: Uint8Array, isAsked: boolean): SignedMessageResult {
    const reading = this.#broadcasts.read(bytes, { isAsked });
    if (reading.result !== "applied") return reading.result;
    this.#document = reading.value;
    this.#options.onApplied(reading.value);
    return "applied";
  }
}
