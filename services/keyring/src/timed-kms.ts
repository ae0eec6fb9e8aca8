import { isScbeError, type KmsCall } from "@scbe/contracts";
import type { Clock } from "@scbe/runtime";
import type { KeyringMetrics } from "./metrics.ts";
import type { Kms } from "./ports.ts";

/** A KMS whose calls are counted and timed, the failed ones too. */
export function timedKms(kms: Kms, clock: Clock, metrics: Pick<KeyringMetrics, "asked">): Kms {
  const timed = async <T>(call: KmsCall, ask: () => Promise<T>): Promise<T> => {
    const startedAt = clock.monotonic();
    const seconds = (): number => (clock.monotonic() - startedAt) / 1000;
    try {
      const result = await ask();
      metrics.asked(call, "ok", seconds());
      return result;
    } catch (error) {
      metrics.asked(call, isScbeError(error, "FORBIDDEN") ? "refused" : "failed", seconds());
      throw error;
    }
  };
  return {
    generate: (kid) => timed("generate", () => kms.generate(kid)),
    unwrap: (copy) => timed("unwrap", () => kms.unwrap(copy)),
    [Symbol.dispose]: () => kms[Symbol.dispose](),
  };
}
