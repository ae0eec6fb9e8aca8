import type { AlertCases } from "./alert-case.ts";
import { PROVIDER_SKEW } from "./clock.ts";
import {
  ALERTS_NOT_RECEIVED,
  AUDIT_NOT_STORED,
  CONTROL_NOT_STORED,
  NOTICES_NOT_DELIVERED,
  ROLLBACK_PATH_SILENT,
  VERIFIER_BEHIND,
  VERIFIER_STALE,
  WEBHOOK_REFUSED,
} from "./control-plane.ts";
import { HIGH_LATENCY, PHASE_SKEW } from "./envelope-histograms.ts";
import { GCM_FAILURE_RATE } from "./gcm-failure-rate.ts";
import { NONCE_REUSE } from "./nonce-reuse.ts";
import { ALL_OPENS_REFUSED, CLOCK_OFFSET, EPOCH_CHANGED } from "./parts-at-fault.ts";
import { KMS_UNREACHABLE, REPLAY_STORE_AWAY, TARGET_ABSENT, WATCHDOG } from "./parts-away.ts";
import {
  OUTCOMES_LOST,
  PROVIDER_DOUBTED,
  PROVIDER_EXCLUDED,
  PROVIDER_LATCHED,
  TRUST_LAG,
  TRUST_UNTOLD,
} from "./trust.ts";
import { TRUST_DEGRADED } from "./trust-degraded.ts";

/** Every case of every alert. */
export const ALL_CASES: AlertCases = {
  ...GCM_FAILURE_RATE,
  ...NONCE_REUSE,
  ...HIGH_LATENCY,
  ...PHASE_SKEW,
  ...TRUST_DEGRADED,
  ...WATCHDOG,
  ...TARGET_ABSENT,
  ...REPLAY_STORE_AWAY,
  ...EPOCH_CHANGED,
  ...KMS_UNREACHABLE,
  ...ALL_OPENS_REFUSED,
  ...CLOCK_OFFSET,
  ...PROVIDER_SKEW,
  ...VERIFIER_STALE,
  ...VERIFIER_BEHIND,
  ...CONTROL_NOT_STORED,
  ...ALERTS_NOT_RECEIVED,
  ...WEBHOOK_REFUSED,
  ...ROLLBACK_PATH_SILENT,
  ...NOTICES_NOT_DELIVERED,
  ...AUDIT_NOT_STORED,
  ...PROVIDER_LATCHED,
  ...PROVIDER_DOUBTED,
  ...PROVIDER_EXCLUDED,
  ...TRUST_UNTOLD,
  ...TRUST_LAG,
  ...OUTCOMES_LOST,
};
