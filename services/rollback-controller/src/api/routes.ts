import { getAlerts, postAlertsClear } from "./alerts.ts";
import type { ApiRoute } from "./api-route.ts";
import { getAudit } from "./get-audit.ts";
import { getCanary } from "./get-canary.ts";
import { getErrorRate } from "./get-error-rate.ts";
import { getFeatureFlags } from "./get-feature-flags.ts";
import { getOrchestratorHealth } from "./get-orchestrator-health.ts";
import { getScbeHealth } from "./get-scbe-health.ts";
import { getSecurityMetrics } from "./get-security-metrics.ts";
import { getTrustScores } from "./get-trust-scores.ts";
import { postAlertmanager } from "./post-alertmanager.ts";
import { postCanary } from "./post-canary.ts";
import { postCanaryAbort } from "./post-canary-abort.ts";
import { postCanaryPause } from "./post-canary-pause.ts";
import { postCanaryResume } from "./post-canary-resume.ts";
import { postFeatureFlags } from "./post-feature-flags.ts";
import { postSkewWindow } from "./post-skew-window.ts";
import { postTrust } from "./post-trust.ts";

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
