import { KEY_STATES } from "../keyring.ts";
import { GRANT_RESULTS, KMS_CALLS, KMS_RESULTS } from "./label-sets.ts";
import { KMS_SECONDS, type MetricRows } from "./metric-row.ts";

const OF = ["keyring"] as const;

/** The metrics of a keyring. */
export const KEYRING = {
  scbe_keyring_grants_total: {
    kind: "counter",
    of: OF,
    help: "Grant requests, by result: granted, or the code of the refusal",
    unit: "count",
    labels: { result: GRANT_RESULTS },
  },
  scbe_keyring_kms_up: {
    kind: "gauge",
    of: OF,
    help: "1 while KMS answered the last call and opens the active key, else 0",
    unit: "flag",
    labels: {},
  },
  scbe_keyring_kms_calls_total: {
    kind: "counter",
    of: OF,
    help: "Calls to KMS, by result; refused: KMS answered, and does not open this copy",
    unit: "count",
    labels: { call: KMS_CALLS, result: KMS_RESULTS },
  },
  scbe_keyring_kms_seconds: {
    kind: "histogram",
    of: OF,
    help: "Time of a call to KMS, with failed ones",
    unit: "s",
    labels: { call: KMS_CALLS },
    bounds: KMS_SECONDS,
  },
  scbe_keyring_ring_generation: {
    kind: "gauge",
    of: OF,
    help: "Generation of the ring in memory; 0 without one",
    unit: "number",
    labels: {},
  },
  scbe_keyring_keys: {
    kind: "gauge",
    of: OF,
    help: "Keys of the ring in memory, by state",
    unit: "count",
    labels: { state: KEY_STATES },
  },
  scbe_keyring_key_age_seconds: {
    kind: "gauge",
    of: OF,
    help: "Time since the key entered its state",
    unit: "s",
    labels: { kid: "kids", state: KEY_STATES },
    from: "known",
  },
} as const satisfies MetricRows;
