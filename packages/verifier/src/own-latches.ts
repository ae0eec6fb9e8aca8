import { isLatched, type TrustDocument, trustIn } from "@scbe/contracts";
import type { Logger } from "@scbe/runtime";
import { Listeners } from "@scbe/runtime";
import type { TrustView } from "./trust-follower.ts";

export interface OwnLatchesOptions {
  readonly trust: TrustView;
  /** The bus user of this process: its row of the trust document shows whether its latches were cleared. */
  readonly teller: string;
  readonly log: Logger;
}

/** An integrity failure that this process saw. */
interface OwnLatch {
  /** Its reports that no scorer has stored yet. */
  unstored: number;
  /** The number of its newest report in the trust stream; 0 if none is stored. */
  seq: number;
  /** When the stream with that number was created; undefined before the first trust document. */
  created: string | undefined;
}

/**
 * The providers that this process refuses because it saw their integrity fail: at once, with or without a scorer. Such a latch ends when a
 * trust document shows that the scorer applied every report of it and that this user has no latch any more: an operator has cleared it.
 * Without a scorer it lasts as long as the process.
 */
export class OwnLatches implements Disposable {
  readonly #options: OwnLatchesOptions;
  readonly #latches = new Map<string, OwnLatch>();
  readonly #listeners: Listeners;
  readonly #following: Disposable;

  constructor(options: OwnLatchesOptions) {
    this.#options = options;
    this.#listeners = new Listeners((error) =>
      options.log.error({ err: error }, "a listener of own latches failed"),
    );
    this.#following = options.trust.onChange(() => this.#check());
  }

  /** True while this process refuses the provider because of its own observation. */
  has(provider: string): boolean {
    return this.#latches.has(provider);
  }

  /** Refuses the provider: one of its answers failed in a way that only its own gateways can cause. The caller also reports it. */
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
   * One of the reports is in the trust stream, under this number or a lower one; `undefined`: it was dropped. If no report of a latch is
   * stored, no document can end it, so it lasts as long as the process.
   */
  settled(provider: string, seq: number | undefined): void {
    const latch = this.#latches.get(provider);
    if (latch === undefined) return;
    latch.unstored -= 1;
    latch.seq = Math.max(latch.seq, seq ?? 0);
    if (latch.unstored === 0 && latch.seq === 0)
      this.#options.log.error({ provider }, "no report of this latch is stored: it lasts until a restart");
    latch.created = this.#options.trust.document?.stream.created;
    this.#check();
  }

  /** Runs `listener` whenever a latch begins or ends. */
  onChange(listener: () => void): Disposable {
    return this.#listeners.add(listener);
  }

  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]();
  }

  #check(): void {
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
