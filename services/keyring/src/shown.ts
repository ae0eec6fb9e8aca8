import type { Logger, Readiness } from "@scbe/runtime";
import type { KeyringMetrics } from "./metrics.ts";
import type { RingKeeper } from "./ring-keeper.ts";
import { UnusableRecord } from "./unusable-record.ts";
import type { KmsHealth, WatchedKms } from "./watched-kms.ts";

export interface ShownOptions {
  readonly keeper: RingKeeper;
  readonly kms: WatchedKms;
  readonly readiness: Readiness;
  readonly metrics: KeyringMetrics;
  readonly log: Logger;
}

type State = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * Shows after each turn how things stand. The process is ready while it can grant the active key. KMS being away is told,
 * but changes nothing for keys that are loaded: a process that left the queue group for it would stop grants that still work.
 */
export class Shown {
  readonly #options: ShownOptions;
  #logged: string | undefined;

  constructor(options: ShownOptions) {
    this.#options = options;
  }

  /** @param failure what the turn failed with; undefined: it did not */
  after(failure: unknown): void {
    const { keeper, readiness, metrics } = this.#options;
    const kms = this.#kmsState();
    const note = kms.ok ? {} : { note: `${kms.reason}; loaded keys go on, no new ones` };
    readiness.set("kms", keeper.hasActiveKey ? { ok: true, ...note } : kms);
    readiness.set("keys", this.#keysState(failure));
    metrics.kms(kms.ok);
    metrics.ring(keeper.ring);
    this.#logChange(failure);
  }

  #kmsState(): KmsHealth {
    const { keeper, kms } = this.#options;
    if (!kms.health.ok) return kms.health;
    return keeper.activeKeyIsRefused
      ? { ok: false, reason: "KMS refuses the copy of the active key" }
      : { ok: true };
  }

  #keysState(failure: unknown): State {
    if (failure instanceof UnusableRecord) return { ok: false, reason: failure.message };
    return this.#options.keeper.hasActiveKey
      ? { ok: true }
      : { ok: false, reason: "the active key is not loaded" };
  }

  /** One line for a failure, however many turns it lasts. */
  #logChange(failure: unknown): void {
    const { log } = this.#options;
    const text = failure === undefined ? undefined : String(failure);
    if (text === this.#logged) return;
    this.#logged = text;
    if (failure === undefined) log.info("the ring is up to date again");
    else log.warn({ err: failure }, "the ring could not be brought up to date");
  }
}
