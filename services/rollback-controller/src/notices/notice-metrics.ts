import type { NoticeDestination, NoticeResult } from "@scbe/contracts";
import { counter, gauge, type Registry } from "@scbe/service-kit";

/** What is counted of notices. */
export interface NoticeMetrics {
  told(to: NoticeDestination, result: NoticeResult): void;
  waiting(to: NoticeDestination, count: number): void;
}

export function noticeMetrics(registry: Registry): NoticeMetrics {
  const results = counter(registry, "scbe_notices_total");
  const waiting = gauge(registry, "scbe_notices_waiting");
  return {
    told: (to, result) => results.inc({ to, result }),
    waiting: (to, count) => waiting.set({ to }, count),
  };
}
