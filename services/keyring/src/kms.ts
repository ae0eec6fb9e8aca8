import { type Environment, isScbeError, type KmsCall, ScbeError } from "@scbe/contracts";
import { type BackoffLimits, backoffMs, type Clock } from "@scbe/runtime";
import type { KeyringMetrics } from "./metrics.ts";

/** Makes and unwraps data keys. A copy is bound to its (app, env, kid), and unwraps for these alone. */
export interface Kms extends Disposable {
  /**
   * A new data key.
   * @throws ScbeError NOT_READY when KMS gives none now
   */
  generate(kid: string): Promise<GeneratedKey>;
  /**
   * The 32 bytes of a wrapped data key; the caller imports and zeroes them.
   * @throws ScbeError NOT_READY when KMS is away; FORBIDDEN when KMS answers and refuses: this key is not ours to use, or
   *   the copy is not one for this kid and env
   */
  unwrap(wrapped: WrappedCopy): Promise<Uint8Array>;
}

export interface GeneratedKey {
  /** 32 bytes; the caller imports and zeroes them. */
  readonly plaintext: Uint8Array;
  readonly wrapped: Uint8Array;
  /** The ARN of the KMS key that wrapped it. */
  readonly keyArn: string;
}

export interface WrappedCopy {
  readonly kid: string;
  readonly wrapped: Uint8Array;
  readonly keyArn: string;
}

/** The encryption context of a wrapped data key: KMS unwraps the key only for the same context. */
export function encryptionContext(env: Environment, kid: string): Record<"app" | "env" | "kid", string> {
  return { app: "scbe", env, kid };
}

/** The state of KMS at the last call. */
export type KmsHealth = { readonly ok: true } | { readonly ok: false; readonly reason: string };

export interface WatchedKms extends Kms {
  readonly health: KmsHealth;
}

const LIMITS: BackoffLimits = { firstMs: 250, maxMs: 15_000 };

/**
 * A KMS that spares an outage: after a failure, calls fail at once until a pause has passed, which grows with the failures in a row. A
 * refused copy is not a failure, because KMS did answer.
 * @param random 0 to 1
 */
export function watchKms(kms: Kms, clock: Clock, random: () => number = Math.random): WatchedKms {
  let health: KmsHealth = { ok: true };
  let failures = 0;
  let notBefore = 0;

  const watch = async <T>(call: () => Promise<T>): Promise<T> => {
    if (!health.ok && clock.monotonic() < notBefore) throw new ScbeError("NOT_READY", health.reason);
    try {
      const result = await call();
      succeed();
      return result;
    } catch (error) {
      if (isScbeError(error, "FORBIDDEN")) succeed();
      else fail(isScbeError(error) ? error.message : "KMS is away");
      throw error;
    }
  };
  const succeed = (): void => {
    health = { ok: true };
    failures = 0;
  };
  const fail = (reason: string): void => {
    health = { ok: false, reason };
    failures += 1;
    notBefore = clock.monotonic() + backoffMs(failures, random(), LIMITS);
  };

  return {
    generate: (kid) => watch(() => kms.generate(kid)),
    unwrap: (copy) => watch(() => kms.unwrap(copy)),
    get health() {
      return health;
    },
    [Symbol.dispose]: () => kms[Symbol.dispose](),
  };
}

/** A KMS whose calls are counted and timed, the failed ones too. */
export function timedKms(kms: Kms, clock: Clock, metrics: Pick<KeyringMetrics, "kmsCalled">): Kms {
  const timed = async <T>(call: KmsCall, work: () => Promise<T>): Promise<T> => {
    const startedAt = clock.monotonic();
    const seconds = (): number => (clock.monotonic() - startedAt) / 1000;
    try {
      const result = await work();
      metrics.kmsCalled(call, "ok", seconds());
      return result;
    } catch (error) {
      metrics.kmsCalled(call, isScbeError(error, "FORBIDDEN") ? "refused" : "failed", seconds());
      throw error;
    }
  };
  return {
    generate: (kid) => timed("generate", () => kms.generate(kid)),
    unwrap: (copy) => timed("unwrap", () => kms.unwrap(copy)),
    [Symbol.dispose]: () => kms[Symbol.dispose](),
  };
}
