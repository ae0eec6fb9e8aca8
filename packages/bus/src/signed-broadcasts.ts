import type { SignedMessageResult } from "@scbe/contracts";
import { type Clock, type Rate, type TokenBucket, takeToken } from "@scbe/runtime";

export interface SignedBroadcastsOptions<Claim, Value> {
  readonly clock: Pick<Clock, "monotonic">;
  /** What the bytes claim, before verification. `undefined` if they are not a message of this kind. */
  parse(bytes: Uint8Array): Claim | undefined;
  /** Whether it would change anything if it were genuine. A claim that was not news once never is again. */
  isNews(claim: Claim): boolean;
  /** Checks the signature, the expensive step; `undefined` if it is not the signer's. */
  verify(claim: Claim): Value | undefined;
}

/** `dropped`: possible news above the rate of checks. */
export type SignedReading<Value> =
  | { readonly result: Extract<SignedMessageResult, "applied">; readonly value: Value }
  | { readonly result: Exclude<SignedMessageResult, "applied"> };

/**
 * The rate at which signatures of broadcasts are checked. A signer broadcasts news a few times a minute; anything more, repeats apart, is an
 * attack on the reader's time. At 0.25 ms each, these checks take 1 % of it.
 */
export const CHECKS: Rate = { burst: 40, perSecond: 40 };

/**
 * Reads messages that one signer broadcasts and repeats, and that any user of the bus can repeat, too. The cheapest check comes first: a repeat
 * costs a comparison of bytes, an older message is parsed, and only possible news is verified, at a limited rate. A dropped message arrives later
 * as an answer to the reader's own request, which that rate does not limit.
 */
export class SignedBroadcasts<Claim, Value> {
  readonly #options: SignedBroadcastsOptions<Claim, Value>;
  /** The bytes of the last verified message. */
  #last: Buffer | undefined;
  #bucket: TokenBucket | undefined;

  constructor(options: SignedBroadcastsOptions<Claim, Value>) {
    this.#options = options;
  }

  /** @param isAsked it is the answer to a request of this process, which limits their number */
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
