import type { Thresholds } from "../thresholds.ts";
import { BUS_AND_STORE } from "./bus-and-store.ts";
import { CONTROL_PLANE } from "./control-plane.ts";
import { cryptoHealth } from "./crypto-health.ts";
import { envelopePerformance } from "./envelope-performance.ts";
import { KEYS_AND_KMS } from "./keys-and-kms.ts";
import type { DashboardRow } from "./panel.ts";
import { REQUESTS } from "./requests.ts";
import { scbeSignals } from "./scbe-signals.ts";
import { trust } from "./trust.ts";

/** The rows of the dashboard, from top to bottom. */
export function dashboardRows(thresholds: Thresholds): readonly DashboardRow[] {
  return [
    envelopePerformance(thresholds),
    cryptoHealth(thresholds),
    scbeSignals(thresholds),
    trust(thresholds),
    REQUESTS,
    CONTROL_PLANE,
    BUS_AND_STORE,
    KEYS_AND_KMS,
  ];
}
