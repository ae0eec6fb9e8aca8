import { createSecretKey, type KeyObject } from "node:crypto";
import { isScbeError, ScbeError } from "@scbe/contracts";
import type { Clock, Logger } from "@scbe/runtime";
import { isActive, type RingKey } from "./domain/ring.ts";
import type { Kms } from "./kms.ts";

export interface DataKeysOptions {
  readonly kms: Kms;
  readonly clock: Clock;
  readonly log: Logger;
  /** How often the active key is unwrapped as a probe, and a refused copy is tried again. */
  readonly probeMs: number;
}

/** The data keys that open, as KeyObjects: the only place of this process that holds them. */
export class DataKeys {
  readonly #options: DataKeysOptions;
  readonly #held = new Map<string, KeyObject>();
  /** kids whose copy KMS has refused, and when to try again (monotonic ms) */
  readonly #refused = new Map<string, number>();
  /** When the active key's copy was last unwrapped (monotonic ms). */
  #probedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DataKeysOptions) {
    this.#options = options;
  }

  get(kid: string): KeyObject | undefined {
    return this.#held.get(kid);
  }

  /** Whether KMS answered the last call for this kid, and refused its copy. */
  isRefused(kid: string): boolean {
    return this.#refused.has(kid);
  }

  /** Takes a key that KMS has just made or unwrapped, and zeroes the given bytes. */
  put(kid: string, plaintext: Uint8Array): void {
    this.#held.set(kid, createSecretKey(plaintext));
    plaintext.fill(0);
    this.#refused.delete(kid);
  }

  /** Drops all but these. */
  keepOnly(keys: readonly RingKey[]): void {
    const kids = new Set(keys.map(({ kid }) => kid));
    for (const kid of this.#held.keys()) if (!kids.has(kid)) this.#held.delete(kid);
    for (const kid of this.#refused.keys()) if (!kids.has(kid)) this.#refused.delete(kid);
  }

  /**
   * Unwraps the keys that are not loaded yet, the active one first. A refused copy does not stop the others.
   * @throws ScbeError NOT_READY when KMS is away
   */
  async load(keys: readonly RingKey[]): Promise<void> {
    const activeFirst = [...keys].sort((a, b) => Number(isActive(b)) - Number(isActive(a)));
    for (const key of activeFirst) {
      if (this.#held.has(key.kid) || this.#isPaused(key.kid)) continue;
      const ikm = await this.#unwrap(key);
      if (ikm !== undefined) this.put(key.kid, ikm);
    }
  }

  /**
   * Unwraps the active key's copy again every {@link DataKeysOptions.probeMs}, and discards the result, so that an outage of KMS shows
   * before a key is needed.
   * @throws ScbeError NOT_READY when KMS is away
   */
  async probe(active: RingKey): Promise<void> {
    const due = this.#options.clock.monotonic() - this.#probedAt >= this.#options.probeMs;
    if (!due || this.#isPaused(active.kid)) return;
    const ikm = await this.#unwrap(active);
    if (ikm === undefined) return;
    ikm.fill(0);
    this.#refused.delete(active.kid);
  }

  clear(): void {
    this.#held.clear();
    this.#refused.clear();
  }

  #isPaused(kid: string): boolean {
    return this.#options.clock.monotonic() < (this.#refused.get(kid) ?? Number.NEGATIVE_INFINITY);
  }

  /** The key's bytes; undefined: KMS refuses this copy. */
  async #unwrap(key: RingKey): Promise<Uint8Array | undefined> {
    const { kms, clock, log, probeMs } = this.#options;
    const { kid, wrapped, wrapped_by: keyArn } = key;
    if (wrapped === null) throw new ScbeError("INTERNAL", "a key that opens has no wrapped copy");
    try {
      const ikm = await kms.unwrap({ kid, wrapped: Buffer.from(wrapped, "base64"), keyArn });
      if (isActive(key)) this.#probedAt = clock.monotonic();
      return ikm;
    } catch (error) {
      if (!isScbeError(error, "FORBIDDEN")) throw error;
      this.#refused.set(kid, clock.monotonic() + probeMs);
      log.error({ kid, err: error }, "KMS refuses the copy of a key");
      return undefined;
    }
  }
}
