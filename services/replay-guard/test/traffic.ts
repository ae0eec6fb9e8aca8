import { setTimeout as delay } from "node:timers/promises";
import type { AdmitItem, AdmitVerdict } from "@scbe/contracts";
import { eventually } from "@scbe/testkit";
import { again, type Opener } from "./kit.ts";

const FRESH_IN_A_BATCH = 12;
const REPLAYS_IN_A_BATCH = 12;
const BATCH_MAX = 256;

/**
 * Admits without pause: fresh envelopes, and further attempts to open accepted ones. Like a sealer, it follows the broadcast epoch, and
 * fetches it after a refusal.
 */
export class Traffic implements AsyncDisposable {
  readonly accepted: AdmitItem[] = [];
  /** Envelopes that were accepted a second time. */
  readonly acceptedTwice: AdmitItem[] = [];
  readonly #opener: Opener;
  readonly #running: Promise<void>;
  #stopped = false;
  #acceptedAt = Number.NEGATIVE_INFINITY;

  constructor(opener: Opener) {
    this.#opener = opener;
    this.#running = this.#run();
  }

  /** Resolves when an envelope that is sent from now on is accepted. @throws Error after 3 s */
  async flows(): Promise<void> {
    const since = performance.now();
    await eventually(() => this.#acceptedAt > since, { timeoutMs: 3000, everyMs: 5 });
  }

  /** Stops, then tries to open every accepted envelope again; the envelopes that were accepted a second time. */
  async replayAll(): Promise<readonly AdmitItem[]> {
    await this.#stop();
    for (let at = 0; at < this.accepted.length; at += BATCH_MAX) {
      const items = this.accepted.slice(at, at + BATCH_MAX).map(again);
      this.#check(items, await this.#opener.admit(items));
    }
    return this.acceptedTwice;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop();
  }

  async #stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    await this.#opener.epoch().catch(() => undefined);
    while (!this.#stopped) {
      const fresh = Array.from({ length: FRESH_IN_A_BATCH }, () => this.#opener.item());
      const replays = this.#someAccepted().map(again);
      const sentAt = performance.now();
      const verdicts = await this.#opener.tryAdmit([...fresh, ...replays]);
      this.#check(replays, verdicts.slice(fresh.length));
      const accepted = fresh.filter((_, index) => verdicts[index] === "fresh");
      this.accepted.push(...accepted);
      if (accepted.length > 0) this.#acceptedAt = sentAt;
      else await this.#opener.epoch().catch(() => delay(20));
      await delay(1);
    }
  }

  #check(replays: readonly AdmitItem[], verdicts: readonly AdmitVerdict[]): void {
    this.acceptedTwice.push(...replays.filter((_, index) => verdicts[index] === "fresh"));
  }

  /** Half from the newest, half from all. */
  #someAccepted(): AdmitItem[] {
    const { accepted } = this;
    const from = (first: number): AdmitItem[] =>
      Array.from({ length: REPLAYS_IN_A_BATCH / 2 }, () => {
        const index = first + Math.floor(Math.random() * (accepted.length - first));
        return accepted[index];
      }).filter((item) => item !== undefined);
    return [...from(Math.max(accepted.length - 100, 0)), ...from(0)];
  }
}
