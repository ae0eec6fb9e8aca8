import { CHOSEN, type DashboardRow } from "./panel.ts";

/** The key ring, the processes that hold its keys, and KMS. */
export const KEYS_AND_KMS: DashboardRow = {
  title: "Keys and KMS",
  panels: [
    {
      title: "KMS answers",
      says: "0: loaded keys are used, new ones cannot be created. Check KMS, then the keyring's credentials; do not restart keyrings until it is back.",
      unit: "bool_yes_no",
      queries: [{ expr: "scbe_keyring_kms_up", legend: "{{instance}}" }],
      limits: { redBelow: 1 },
    },
    {
      title: "Calls to KMS",
      says: "By result. refused: KMS answered and does not open that copy: the key is disabled, or not permitted.",
      unit: "ops",
      queries: [
        {
          expr: "sum by (call, result) (rate(scbe_keyring_kms_calls_total[5m]))",
          legend: "{{call}} {{result}}",
        },
      ],
    },
    {
      title: "Time of a call to KMS, p99",
      says: "No request waits for it. Slow for a long time: KMS throttles.",
      unit: "s",
      queries: [
        {
          expr: "histogram_quantile(0.99, sum by (le, call) (rate(scbe_keyring_kms_seconds_bucket[15m])))",
          legend: "{{call}}",
        },
      ],
    },
    {
      title: "Age of keys",
      says: "Time since each key entered its state. An active one older than the rotation's 90 days: rotate.",
      unit: "s",
      queries: [{ expr: "max by (kid, state) (scbe_keyring_key_age_seconds)", legend: "{{kid}} {{state}}" }],
      limits: { yellow: 90 * 86_400 },
    },
    {
      title: "Keys of the ring",
      says: "By state. No active key: sealing stops soon.",
      unit: "short",
      queries: [{ expr: "max by (state) (scbe_keyring_keys)", legend: "{{state}}" }],
    },
    {
      title: "Generation of the ring",
      says: "The same at every keyring, except for a moment after a change.",
      unit: "none",
      queries: [{ expr: "scbe_keyring_ring_generation", legend: "{{instance}}" }],
    },
    {
      title: "Grants by result",
      says: "Requests for subkeys. FORBIDDEN: a user requests a key that it may not have; the keyring's log names the user.",
      unit: "ops",
      queries: [{ expr: "sum by (result) (rate(scbe_keyring_grants_total[5m]))", legend: "{{result}}" }],
    },
    {
      title: "Keys held",
      says: "By each sealer and opener. 0: it can serve nothing of that provider; the keyring's grants have the reason.",
      unit: "short",
      queries: [
        {
          expr: `min by (job, provider) (scbe_envelope_keys_held{${CHOSEN}})`,
          legend: "{{job}} {{provider}}",
        },
      ],
      limits: { redBelow: 1 },
    },
  ],
};
