import type { TagCheck } from "@scbe/envelope";
import type { MetricsRegistry } from "@scbe/runtime";
import { watchGauge } from "@scbe/runtime";
import { FailedOpens } from "./failed-opens.ts";
import type { HeldKeys } from "./held-keys.ts";
import type { VerifierScope } from "./verifier-scope.ts";

/** Shows the keys held, and the most failed opens of one of them; disposing ends that. */
export interface ObservedKeys extends Disposable {
  tagChecked(check: TagCheck): void;
}

export function observeKeys(
  metrics: MetricsRegistry,
  held: HeldKeys,
  { providers, opens }: VerifierScope,
): ObservedKeys {
  const stack = new DisposableStack();
  const failed = new FailedOpens(held);
  stack.use(
    watchGauge(metrics, "scbe_envelope_keys_held", () =>
      providers.map((provider) => [{ provider }, held.countOf(provider)]),
    ),
  );
  stack.use(
    watchGauge(metrics, "scbe_envelope_failed_opens", () =>
      opens.flatMap((phase) =>
        providers.map((provider) => [{ phase, provider }, failed.most(phase, provider)] as const),
      ),
    ),
  );
  return {
    tagChecked: (check) => failed.note(check),
    [Symbol.dispose]: () => stack.dispose(),
  };
}
