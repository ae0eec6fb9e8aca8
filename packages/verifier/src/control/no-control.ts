import type { Logger, MetricsRegistry, Readiness } from "@scbe/runtime";
import type { Control } from "./control.ts";
import { showControl } from "./control-metrics.ts";

export interface NoControlOptions {
  readonly readiness: Readiness;
  readonly metrics: MetricsRegistry;
  readonly log: Logger;
  readonly providers: readonly string[];
}

const NOTE = "nothing is obeyed: SCBE_CONTROL_PUBLIC_KEY is not set";

/** The control plane of a process that obeys none: everything is permitted, and readiness and the log say so. */
export function noControl({ readiness, metrics, log, providers }: NoControlOptions): Control {
  readiness.set("control", { ok: true, note: NOTE });
  log.warn(`no kill switch and no flags: ${NOTE}`);
  const nothing = { document: undefined, isStale: false } as const;
  const shown = showControl(metrics, providers, nothing);
  return {
    ...nothing,
    permits: () => true,
    route: () => ({ way: "sealed" }),
    onChange: () => ({ [Symbol.dispose]: () => undefined }),
    [Symbol.asyncDispose]: async () => shown[Symbol.dispose](),
  };
}
