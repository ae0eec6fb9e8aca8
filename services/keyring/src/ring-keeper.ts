import { type KeyObject, randomBytes } from "node:crypto";
import { type Environment, ScbeError } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/runtime";
import { DataKeys } from "./data-keys.ts";
import { openable } from "./domain/openable.ts";
import { isActive, type Ring, type RingKey } from "./domain/ring.ts";
import { addFirstKey, newKid, nextStep, type Step } from "./domain/ring-steps.ts";
import type { Kms } from "./kms.ts";

export interface RingKeeperOptions {
  readonly kms: Kms;
  readonly store: RingStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly env: Environment;
  readonly decryptOnlyMaxMs: number;
  /** How often the active key is unwrapped as a probe, and a refused copy is tried again. */
  readonly probeMs: number;
}

/** The store of the ring. */
export interface RingStore {
  /**
   * The stored ring; undefined: none.
   * @throws UnusableRecord FORBIDDEN for a record of another environment or signer, INTERNAL for one that is not a ring; or what the bus
   *   throws
   */
  read(): Promise<StoredRing | undefined>;
  /** Writes only if the store is still at `revision` (undefined: empty); undefined when another keyring wrote first. */
  write(ring: Ring, revision: number | undefined): Promise<StoredRing | undefined>;
  /** Runs when the stored ring may have changed. */
  watch(listener: () => void): AsyncDisposable;
}

export interface StoredRing {
  readonly ring: Ring;
  readonly revision: number;
}

/**
 * The record in KV is not this environment's ring. This failure does not pass by itself: the keyring refuses to start, or stops granting,
 * until an operator has repaired the record.
 */
export class UnusableRecord extends ScbeError {}

/** Steps in one pass; if the ring still changes then, the next pass continues. */
const STEPS_MAX = 8;

/**
 * Keeps three things in agreement: the ring in KV, the ring in memory, and the data keys that open. If a {@link reconcile} fails, what was
 * held before it is kept.
 */
export class RingKeeper {
  readonly #options: RingKeeperOptions;
  readonly #keys: DataKeys;
  #ring: Ring | undefined;

  constructor(options: RingKeeperOptions) {
    this.#options = options;
    this.#keys = new DataKeys(options);
  }

  /** The ring in memory; undefined until a pass has found or made one. */
  get ring(): Ring | undefined {
    return this.#ring;
  }

  /** The data key of a kid; undefined: it is not loaded. */
  ikm(kid: string): KeyObject | undefined {
    return this.#keys.get(kid);
  }

  /** Whether the active key can be granted. */
  get hasActiveKey(): boolean {
    return this.#active !== undefined && this.#keys.get(this.#active.kid) !== undefined;
  }

  /** Whether KMS answered the last call for the active key, and refused its copy. */
  get activeKeyIsRefused(): boolean {
    return this.#active !== undefined && this.#keys.isRefused(this.#active.kid);
  }

  /**
   * One pass: reads KV, brings the ring and its keys up to date. Passes must not overlap.
   * @throws what the store and KMS throw
   */
  async reconcile(): Promise<void> {
    try {
      await this.#reconcileRing();
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

  async #reconcileRing(): Promise<void> {
    let stored = await this.#options.store.read();
    for (let steps = 0; steps < STEPS_MAX; steps += 1) {
      const step = nextStep(stored?.ring, this.#ring, this.#times());
      if (step.do === "nothing") return;
      stored = await this.#take(step, stored);
    }
  }

  /** @returns what is stored after the step */
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

  /** @returns what is stored after the attempt: this ring, or the one that another keyring wrote first */
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
