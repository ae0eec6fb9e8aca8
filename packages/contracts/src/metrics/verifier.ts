import { ENVELOPE_MS, SKEW_MS } from "./bounds.ts";
import {
  CONTROL_LEASE_RESULTS,
  OPENING_RESULTS,
  PHASES,
  SESSION_BUDGETS,
  SESSION_STARTS,
  SIGNED_MESSAGE_RESULTS,
  TRUST_DOCUMENT_RESULTS,
} from "./label-sets.ts";
import type { MetricRows } from "./metric-row.ts";

const VERIFIERS = ["orchestrator", "gateway", "envelope"] as const;
/** Whoever holds the documents of control and of trust. */
const HOLDERS = [...VERIFIERS, "rollback-controller"] as const;
const OPENERS_OF_REQUESTS = ["gateway", "envelope"] as const;
const OF_PHASE = { phase: PHASES, provider: "providers" } as const;
const OF_PROVIDER = { provider: "providers" } as const;

/** What whoever seals and opens shows. An orchestrator seals requests and opens responses, a gateway the other way round. */
export const VERIFIER = {
  scbe_envelope_create_ms: {
    kind: "histogram",
    of: VERIFIERS,
    help: "Time to seal an envelope, a new session included where it takes one",
    unit: "ms",
    labels: OF_PHASE,
    bounds: ENVELOPE_MS,
  },
  scbe_envelope_verify_ms: {
    kind: "histogram",
    of: VERIFIERS,
    help: "Time to verify an envelope and decrypt it, without the replay guard; only of those that verified and are no copies",
    unit: "ms",
    labels: OF_PHASE,
    bounds: ENVELOPE_MS,
  },
  scbe_phase_skew_ms: {
    kind: "histogram",
    of: VERIFIERS,
    help: "Opener's wall clock less the time in the header, without its sign; only of those that verified and are no copies",
    unit: "ms",
    labels: OF_PHASE,
    bounds: SKEW_MS,
  },
  scbe_envelope_openings_total: {
    kind: "counter",
    of: VERIFIERS,
    help: "Envelopes that were opened, or refused and why",
    unit: "count",
    labels: { ...OF_PHASE, result: OPENING_RESULTS },
  },
  scbe_gcm_attempts_total: {
    kind: "counter",
    of: VERIFIERS,
    help: "Authentication tags that were checked",
    unit: "count",
    labels: OF_PROVIDER,
  },
  scbe_gcm_failures_total: {
    kind: "counter",
    of: VERIFIERS,
    help: "Authentication tags that did not verify",
    unit: "count",
    labels: OF_PROVIDER,
  },
  scbe_fail_to_noise_count: {
    kind: "counter",
    of: OPENERS_OF_REQUESTS,
    help: "Requests that were answered with noise",
    unit: "count",
    labels: OF_PROVIDER,
  },
  scbe_envelope_sessions_started_total: {
    kind: "counter",
    of: VERIFIERS,
    help: "Sealing sessions started, by what ended the one before",
    unit: "count",
    labels: { ...OF_PHASE, why: SESSION_STARTS },
  },
  scbe_envelope_session_used_ratio: {
    kind: "gauge",
    of: VERIFIERS,
    help: "How much the fullest sealing session in use has used up of that budget, from 0 to 1",
    unit: "ratio",
    labels: { ...OF_PHASE, budget: SESSION_BUDGETS },
    together: "max",
  },
  scbe_envelope_sealed_bytes_total: {
    kind: "counter",
    of: VERIFIERS,
    help: "Bytes of the envelopes that were sealed",
    unit: "bytes",
    labels: OF_PHASE,
  },
  scbe_envelope_failed_opens: {
    kind: "gauge",
    of: VERIFIERS,
    help: "The most tags that did not verify under one key that is held",
    unit: "count",
    labels: OF_PHASE,
    together: "max",
  },
  scbe_envelope_keys_held: {
    kind: "gauge",
    of: VERIFIERS,
    help: "Keys held that may seal or open, one for each kid and intent",
    unit: "count",
    labels: OF_PROVIDER,
  },
  scbe_admit_ms: {
    kind: "histogram",
    of: OPENERS_OF_REQUESTS,
    help: "Time from the question to the replay guard to its verdict, questions asked again included",
    unit: "ms",
    labels: OF_PROVIDER,
    bounds: ENVELOPE_MS,
  },
  scbe_admits_waiting: {
    kind: "gauge",
    of: OPENERS_OF_REQUESTS,
    help: "Requests that wait for the replay guard's verdict",
    unit: "count",
    labels: {},
  },
  scbe_control_generation: {
    kind: "gauge",
    of: HOLDERS,
    help: "Generation of the control document that is obeyed; 0 while none is held",
    unit: "number",
    labels: {},
    together: "min",
  },
  scbe_control_stale: {
    kind: "gauge",
    of: VERIFIERS,
    help: "1 while no lease says that the control document is the one in force, else 0",
    unit: "flag",
    labels: {},
    together: "max",
  },
  scbe_kill_switch_engaged: {
    kind: "gauge",
    of: HOLDERS,
    help: "1 while the control document that is obeyed kills that provider, or everything, else 0",
    unit: "flag",
    labels: OF_PROVIDER,
    together: "max",
  },
  scbe_control_documents_total: {
    kind: "counter",
    of: HOLDERS,
    help: "Control documents that arrived: applied, old, refused as none of the controller's, or dropped unchecked among too many",
    unit: "count",
    labels: { result: SIGNED_MESSAGE_RESULTS },
  },
  scbe_ring_broadcasts_total: {
    kind: "counter",
    of: HOLDERS,
    help: "Broadcasts of the ring that arrived: applied, old, refused as none of the keyring's, or dropped unchecked among too many",
    unit: "count",
    labels: { result: SIGNED_MESSAGE_RESULTS },
  },
  scbe_control_leases_total: {
    kind: "counter",
    of: VERIFIERS,
    help: "Questions for a lease: granted, unanswered, or answered by none for the document that is held",
    unit: "count",
    labels: { result: CONTROL_LEASE_RESULTS },
  },
  scbe_trust_documents_total: {
    kind: "counter",
    of: HOLDERS,
    help: "Trust documents that arrived: applied, old, or refused as none at all",
    unit: "count",
    labels: { result: TRUST_DOCUMENT_RESULTS },
  },
  scbe_trust_stale: {
    kind: "gauge",
    of: HOLDERS,
    help: "1 while no trust scorer is heard, so that what was last known stands, else 0",
    unit: "flag",
    labels: {},
    together: "max",
  },
} as const satisfies MetricRows;
