import type { NoticeDestination, NoticeResult } from "@scbe/contracts";
import type { MetricsRegistry } from "@scbe/runtime";
import { counter, gauge } from "@scbe/runtime";

/** What is counted of notices. */
export interface NoticeMetrics {
  told(to: NoticeDestination, result: NoticeResult): void;
  waiting(to: NoticeDestination, count: number): void;
}

export function noticeMetrics(registry: MetricsRegistry): NoticeMetrics {
  const results = counter(registry, "scbe_notices_total");
  const waiting = gauge(registry, "scbe_notices_waiting");
  return {
    told: (to, result) => results.inc({ to, result }),
    waiting: (to, count) => waiting.set({ to }, count),
  };
}
