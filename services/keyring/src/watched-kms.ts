import { isScbeError, ScbeError } from "@scbe/contracts";
import { type BackoffLimits, backoffMs, type Clock } from "@scbe/runtime";
import type { Kms } from "./ports.ts";

/** How KMS was at the last call. */
export type KmsHealth = { readonly ok: true } | { readonly ok: false; readonly reason: string };

export interface WatchedKms extends Kms {
  readonly health: KmsHealth;
}

const LIMITS: BackoffLimits = { firstMs: 250, maxMs: 15_000 };

/**
 * A KMS that is not asked again and again while it is away: after a failure, calls fail at once until a pause has gone
 * by, which grows with the failures in a row. A copy that KMS refuses is no failure of KMS: it did answer.
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
