import { getAlerts, postAlertmanager, postAlertsClear } from "./alerts.ts";
import { getAudit } from "./audit.ts";
import { getCanary, postCanary, postCanaryAbort, postCanaryPause, postCanaryResume } from "./canary.ts";
import { getFeatureFlags, postFeatureFlags } from "./flags.ts";
import { getOrchestratorHealth, getScbeHealth } from "./health.ts";
import { getErrorRate, getSecurityMetrics } from "./metrics.ts";
import type { ApiRoute } from "./route.ts";
import { postSkewWindow } from "./skew-window.ts";
import { getTrustScores, postTrust } from "./trust.ts";

/** Every route of the control API, in the order of its documentation. */
export const ROUTES: readonly ApiRoute[] = [
  getFeatureFlags,
  postFeatureFlags,
  getScbeHealth,
  getOrchestratorHealth,
  postSkewWindow,
  getTrustScores,
  postTrust,
  getAudit,
  getCanary,
  postCanary,
  postCanaryPause,
  postCanaryResume,
  postCanaryAbort,
  postAlertmanager,
  getAlerts,
  postAlertsClear,
  getSecurityMetrics,
  getErrorRate,
];
