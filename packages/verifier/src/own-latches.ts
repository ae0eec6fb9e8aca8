import type { TrustDocument } from "@scbe/contracts";
import { isLatched, trustIn } from "@scbe/contracts";
import { Listeners, type Logger } from "@scbe/runtime";
import type { TrustView } from "./trust/trust-view.ts";

export interface OwnLatchesOptions {
  readonly trust: TrustView;
  /** The bus user that tells: its row of the trust document is this process's own. */
  readonly teller: string;
  readonly log: Logger;
}

/** An integrity failure that this process saw. */
interface OwnLatch {
  /** Reports of it that no scorer has stored yet. */
  unstored: number;
  /** The number of the newest report in the trust stream; 0: none is stored. */
  seq: number;
  /** When the stream was made that has it; undefined: no document tells yet. */
  created: string | undefined;
}

/**
 * The providers that this process refuses because it saw their integrity fail: at once, whether or not a scorer is there. Such a latch ends when a
 * trust document shows that the scorer has applied every report of it, and none stands for this user any more: then a person has cleared it.
 * Without a scorer it stands as long as the process.
 */
export class OwnLatches implements Disposable {
  readonly #options: OwnLatchesOptions;
  readonly #latches = new Map<string, OwnLatch>();
  readonly #listeners = new Listeners();
  readonly #following: Disposable;

  constructor(options: OwnLatchesOptions) {
    this.#options = options;
    this.#following = options.trust.onChange(() => this.#look());
  }

  /** True while this process refuses the provider by what it saw itself. */
  has(provider: string): boolean {
    return this.#latches.has(provider);
  }

  /** An answer of this provider failed as only its own gateways can cause. A report of it is under way. */
  latch(provider: string): void {
    const known = this.#latches.get(provider);
    if (known !== undefined) {
      known.unstored += 1;
      return;
    }
    this.#latches.set(provider, { unstored: 1, seq: 0, created: undefined });
    this.#options.log.error({ provider }, "an answer's integrity failed: this process refuses the provider");
    this.#listeners.notify();
  }

  /**
   * One of its reports is in the trust stream, under this number or a lower one; `undefined`: it was dropped. A latch of which no report is stored
   * stands as long as the process: no document says anything of it.
   */
  settled(provider: string, seq: number | undefined): void {
    const latch = this.#latches.get(provider);
    if (latch === undefined) return;
    latch.unstored -= 1;
    latch.seq = Math.max(latch.seq, seq ?? 0);
    if (latch.unstored === 0 && latch.seq === 0)
      this.#options.log.error({ provider }, "no report of this latch is stored: it stands until a restart");
    latch.created = this.#options.trust.document?.stream.created;
    this.#look();
  }

  /** Runs `listener` whenever a latch begins or ends. */
  onChange(listener: () => void): Disposable {
    return this.#listeners.add(listener);
  }

  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]();
  }

  #look(): void {
    const { trust, teller, log } = this.#options;
    const { document } = trust;
    if (document === undefined) return;
    const ended = [...this.#latches].filter(([provider, latch]) => {
      latch.created ??= document.stream.created;
      return isApplied(latch, document) && !isLatched(trustIn(document, provider), teller);
    });
    if (ended.length === 0) return;
    for (const [provider] of ended) {
      this.#latches.delete(provider);
      log.info({ provider }, "the provider's latch was cleared");
    }
    this.#listeners.notify();
  }
}

function isApplied({ unstored, seq, created }: OwnLatch, { stream }: TrustDocument): boolean {
  return unstored === 0 && seq > 0 && stream.created === created && stream.seq >= seq;
}
