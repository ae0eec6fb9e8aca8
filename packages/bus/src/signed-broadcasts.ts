import type { SignedMessageResult } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import { type Rate, type TokenBucket, takeToken } from "@scbe/runtime";

export interface SignedBroadcastsOptions<Claim, Value> {
  readonly clock: Pick<Clock, "monotonic">;
  /** What the bytes claim; nothing of it is true before it is verified. `undefined`: they are no message of this kind. */
  parse(bytes: Uint8Array): Claim | undefined;
  /** Whether it would change anything if it were genuine. What was not news once never is. */
  isNews(claim: Claim): boolean;
  /** Checks the signature, which is what costs; `undefined`: it is none of the signer's. */
  verify(claim: Claim): Value | undefined;
}

/** `dropped`: it might be news, and there were too many of those. */
export type SignedReading<Value> =
  | { readonly result: Extract<SignedMessageResult, "applied">; readonly value: Value }
  | { readonly result: Exclude<SignedMessageResult, "applied"> };

/**
 * Signatures of broadcasts that are checked. A signer broadcasts news a few times a minute; whatever else there is, repeats apart, was
 * made to cost time. At 0.25 ms each these cost 1 % of it.
 */
export const CHECKS: Rate = { burst: 40, perSecond: 40 };

/**
 * Reads messages that one signer broadcasts and repeats, and that anything on the bus can repeat, too. The cheapest check comes first:
 * a repeat costs a comparison of bytes, an older message is parsed, and only what would be news is verified, so many times a second.
 * What is dropped for that comes by the reader's own questions, whose answers are not limited so.
 */
export class SignedBroadcasts<Claim, Value> {
  readonly #options: SignedBroadcastsOptions<Claim, Value>;
  /** The bytes of the last one that was verified. */
  #last: Buffer | undefined;
  #bucket: TokenBucket | undefined;

  constructor(options: SignedBroadcastsOptions<Claim, Value>) {
    this.#options = options;
  }

  /** @param isAsked it is the answer to a question of this process: there are no more of these than it asks for */
  read(bytes: Uint8Array, { isAsked = false } = {}): SignedReading<Value> {
    if (this.#last?.equals(bytes) === true) return { result: "old" };
    const { parse, isNews, verify } = this.#options;
    const claim = parse(bytes);
    if (claim === undefined) return { result: "refused" };
    if (!isNews(claim)) return { result: "old" };
    if (!isAsked && !this.#mayCheck()) return { result: "dropped" };
    const value = verify(claim);
    if (value === undefined) return { result: "refused" };
    this.#last = Buffer.from(bytes);
    return { result: "applied", value };
  }

  #mayCheck(): boolean {
    const bucket = takeToken(this.#bucket, this.#options.clock.monotonic(), CHECKS);
    if (bucket === undefined) return false;
    this.#bucket = bucket;
    return true;
  }
}
