import { type ChainEnd, EMPTY_CHAIN, endAfter, isIntact, readEntry } from "./audit-chain.ts";

/** Something in the stream that the controllers have not put there like that. */
export interface ChainProblem {
  /** The number of the entry in question. */
  readonly seq: number;
  readonly problem: "missing" | "no entry" | "altered" | "out of place" | "replaced";
  readonly says: string;
}

/** What a stream holds under one number; `undefined`: nothing. */
export interface Held {
  readonly seq: number;
  readonly bytes: Uint8Array | undefined;
}

/**
 * Checks a chain entry by entry, in the order of their numbers.
 *
 * A chain tells of everything but a forgery of its very end: whoever can write the stream as its server's operator can cut off the
 * newest entries, or write all of them anew from some point on. Against that, note the {@link end} elsewhere, and check it later.
 */
export class ChainCheck {
  /** `undefined`: what stood before is not known, as after a missing entry. */
  #end: ChainEnd | undefined = EMPTY_CHAIN;
  #entries = 0;

  /** @param first the number of the first entry that is still there */
  constructor(first = 1) {
    if (first > 1) this.#end = undefined;
  }

  get entries(): number {
    return this.#entries;
  }

  /** The last entry seen, if it is one. */
  get end(): ChainEnd | undefined {
    return this.#end;
  }

  /** What is wrong with the next one. */
  take({ seq, bytes }: Held): ChainProblem[] {
    const before = this.#end;
    if (bytes === undefined) {
      this.#end = undefined;
      return [{ seq, problem: "missing", says: "there is no such entry any more" }];
    }
    this.#end = endAfter(seq, bytes);
    const entry = readEntry(bytes);
    if (entry === undefined)
      return [{ seq, problem: "no entry", says: "what stands here is no audit entry" }];
    this.#entries += 1;
    if (!isIntact(entry)) return [{ seq, problem: "altered", says: "its hash is not that of what it says" }];
    if (entry.seq !== seq)
      return [{ seq, problem: "out of place", says: `it was written as entry ${entry.seq}` }];
    if (before === undefined || before.hash === entry.previous) return [];
    if (before.seq === 0)
      return [{ seq, problem: "replaced", says: "it follows an entry that is not there" }];
    return [
      {
        seq: before.seq,
        problem: "replaced",
        says: `entry ${seq} was written after another one than stands here now`,
      },
    ];
  }
}
