import type { ControlLeaseResult, SignedMessageResult } from "@scbe/contracts";
import { killOf } from "@scbe/envelope/control";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter, watchGauge } from "@scbe/runtime";
import type { ControlView } from "./control-view.ts";

/** Counts what arrives; disposing ends the gauges. */
export interface ControlMetrics extends Disposable {
  offered(result: SignedMessageResult): void;
  asked(result: ControlLeaseResult): void;
}

/** Shows what is obeyed. Where nothing is, generation and flags are 0. */
export function showControl(
  metrics: MetricsRegistry,
  providers: readonly string[],
  view: Pick<ControlView, "document" | "isStale">,
): ControlMetrics {
  const documents = counter(metrics, "scbe_control_documents_total");
  const leases = counter(metrics, "scbe_control_leases_total");
  const stack = new DisposableStack();
  stack.use(
    watchGauge(metrics, "scbe_control_generation", () => [[{}, view.document?.state.generation ?? 0]]),
  );
  stack.use(watchGauge(metrics, "scbe_control_stale", () => [[{}, Number(view.isStale)]]));
  stack.use(
    watchGauge(metrics, "scbe_kill_switch_engaged", () =>
      providers.map((provider) => [{ provider }, Number(isKilled(view, provider))]),
    ),
  );
  return {
    offered: (result) => documents.inc({ result }),
    asked: (result) => leases.inc({ result }),
    [Symbol.dispose]: () => stack.dispose(),
  };
}

function isKilled({ document }: Pick<ControlView, "document">, provider: string): boolean {
  return document !== undefined && killOf(document.state, provider) !== undefined;
}
