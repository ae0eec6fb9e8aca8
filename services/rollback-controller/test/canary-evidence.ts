import type { ControlState } from "@scbe/contracts";
import { CRITERIA } from "../src/canary/criteria.ts";
import type { CriterionName, Evidence, Measurement } from "../src/canary/record.ts";

type Given = { value: Measurement["value"]; samples: Measurement["samples"]; error?: string };

const GOOD: Readonly<Record<CriterionName, Given>> = {
  nonce_reuse: { value: 0, samples: 2 },
  gcm_failure_share: { value: 0, samples: 8000 },
  create_p99_ms: { value: 2, samples: 4000 },
  verify_p99_ms: { value: 3, samples: 4000 },
  phase_skew_p99_ms: { value: 40, samples: 4000 },
  clean_requests: { value: 4000, samples: 3 },
};

/** Good evidence, with the given changes. */
export function evidenceWith(
  changes: Partial<Record<CriterionName, Partial<Given>>> = {},
  more: Partial<Omit<Evidence, "measurements">> = {},
): Evidence {
  const measurements = CRITERIA.map(
    ({ name, judge, atOnce = false, expr, limit, samplesExpr, samplesMin }) => ({
      ...{ name, judge, at_once: atOnce, expr, limit, samples_expr: samplesExpr, samples_min: samplesMin },
      ...GOOD[name],
      ...changes[name],
    }),
  );
  return {
    window_s: 1800,
    measurements,
    silences: { ok: true, over: [] },
    watchdog_age_ms: 15_000,
    killed: null,
    ...more,
  };
}

/** A control document with everything of `openai` sealed. */
export function stateWith(more: Partial<ControlState> = {}): ControlState {
  return {
    v: 1,
    env: "dev",
    generation: 1,
    issued_at: 0,
    kill_switch: { all: null, providers: {} },
    scbe_envelope_verification: {
      enabled: true,
      providers: { openai: { enabled: true, traffic_percentage: 100 } },
    },
    fallback: { causes: [] },
    skew_window: null,
    ...more,
  };
}
