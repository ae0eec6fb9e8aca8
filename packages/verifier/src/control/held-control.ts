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
  /** The highest generation that was obeyed before this process started; 0 if unknown. */
  readonly generationMin: number;
  /** Runs synchronously when a document takes the place of another. */
  onApplied(document: ControlDocument): void;
}

/**
 * The control document that this process obeys: of all that the controller signed for this environment and that arrived, the one that
 * supersedes the others. An older document never comes back.
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
   * Takes the JSON of a signed document if it is newer.
   * @param isAsked true for the answer to a request of this process
   */
  offer(bytes: Uint8Array, isAsked: boolean): SignedMessageResult {
    const reading = this.#broadcasts.read(bytes, { isAsked });
    if (reading.result !== "applied") return reading.result;
    this.#document = reading.value;
    this.#options.onApplied(reading.value);
    return "applied";
  }
}
