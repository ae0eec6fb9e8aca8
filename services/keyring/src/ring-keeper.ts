import { type KeyObject, randomBytes } from "node:crypto";
import type { Environment } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/runtime";
import { DataKeys } from "./data-keys.ts";
import { addFirstKey } from "./domain/add-first-key.ts";
import { newKid } from "./domain/new-kid.ts";
import { nextStep, type Step } from "./domain/next-step.ts";
import { openable } from "./domain/openable.ts";
import { isActive, type Ring, type RingKey } from "./domain/ring.ts";
import type { Kms, RingStore, StoredRing } from "./ports.ts";

export interface RingKeeperOptions {
  readonly kms: Kms;
  readonly store: RingStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly env: Environment;
  readonly decryptOnlyMaxMs: number;
  /** How often KMS is asked though nothing needs it, and a copy is tried that it has refused. */
  readonly probeMs: number;
}

/** Steps in one turn; a ring that still changes then is looked at again in the next one. */
const STEPS_MAX = 8;

/**
 * Keeps three things in agreement: the ring in KV, the ring in memory, and the data keys of the openable kids. One
 * {@link turn} after the other; each may fail as a whole, and what was held before it stands.
 */
export class RingKeeper {
  readonly #options: RingKeeperOptions;
  readonly #keys: DataKeys;
  #ring: Ring | undefined;

  constructor(options: RingKeeperOptions) {
    this.#options = options;
    this.#keys = new DataKeys(options);
  }

  /** The ring in memory; undefined until the first turn that found or made one. */
  get ring(): Ring | undefined {
    return this.#ring;
  }

  /** The data key of an openable kid, where it is loaded. */
  ikm(kid: string): KeyObject | undefined {
    return this.#keys.get(kid);
  }

  /** The active key can be granted. */
  get hasActiveKey(): boolean {
    return this.#active !== undefined && this.#keys.get(this.#active.kid) !== undefined;
  }

  /** KMS answered the last time it was asked for the active key, and refused. */
  get activeKeyIsRefused(): boolean {
    return this.#active !== undefined && this.#keys.isRefused(this.#active.kid);
  }

  /**
   * Reads KV and does whatever brings all three together. Not to be called again before it has settled.
   * @throws what store and KMS throw
   */
  async turn(): Promise<void> {
    try {
      await this.#settleRing();
    } finally {
      this.#keys.keepOnly(this.#openable());
    }
    await this.#keys.load(this.#openable());
    if (this.#active !== undefined) await this.#keys.probe(this.#active);
  }

  /** Drops every key. */
  forget(): void {
    this.#keys.clear();
  }

  async #settleRing(): Promise<void> {
    let stored = await this.#options.store.read();
    for (let steps = 0; steps < STEPS_MAX; steps += 1) {
      const step = nextStep(stored?.ring, this.#ring, this.#times());
      if (step.do === "nothing") return;
      stored = await this.#take(step, stored);
    }
  }

  /** What is stored after the step. */
  async #take(
    step: Exclude<Step, { do: "nothing" }>,
    stored: StoredRing | undefined,
  ): Promise<StoredRing | undefined> {
    if (step.do === "adopt") {
      this.#ring = step.ring;
      return stored;
    }
    if (step.do === "create") return this.#create(step.onto, stored?.revision);
    this.#options.log.warn({ generation: step.ring.generation, why: step.why }, "writing the ring");
    return this.#write(step.ring, stored?.revision);
  }

  async #create(onto: Ring | undefined, revision: number | undefined): Promise<StoredRing | undefined> {
    const { kms, env, clock, log } = this.#options;
    const kid = newKid(clock.now(), randomBytes(8));
    const { plaintext, wrapped, keyArn } = await kms.generate(kid);
    try {
      const ring = addFirstKey(onto, { kid, wrapped, keyArn }, { env, nowMs: clock.now() });
      const written = await this.#write(ring, revision);
      if (written?.ring !== ring) {
        log.info({ kid }, "another keyring wrote the ring first; this key is discarded");
        return written;
      }
      this.#keys.put(kid, plaintext);
      log.info({ kid, generation: ring.generation }, "made the active key");
      return written;
    } finally {
      plaintext.fill(0);
    }
  }

  /** What is stored after the attempt: this ring, or whatever somebody else wrote before. */
  async #write(ring: Ring, revision: number | undefined): Promise<StoredRing | undefined> {
    const written = await this.#options.store.write(ring, revision);
    if (written === undefined) return this.#options.store.read();
    this.#ring = ring;
    return written;
  }

  get #active(): RingKey | undefined {
    return this.#openable().find(isActive);
  }

  #openable(): readonly RingKey[] {
    const { clock, decryptOnlyMaxMs } = this.#options;
    return this.#ring === undefined ? [] : openable(this.#ring, clock.now(), decryptOnlyMaxMs);
  }

  #times() {
    return { nowMs: this.#options.clock.now(), decryptOnlyMaxMs: this.#options.decryptOnlyMaxMs };
  }
}
