import { isUserNkey } from "@scbe/contracts";
import { choice, integer, stateFolder, text } from "@scbe/runtime";
import { STALE_POLICIES } from "./control/stale-policy.ts";

const COUNTER_LIMIT_MAX = 2 ** 32 - 1;

/** In place of the controller's key: there is no control plane, and nothing is obeyed. */
export const NO_CONTROL_KEY = "none";

/** What sealing and opening read from the environment, beside the groups of the service kit. */
export const verifierVariables = {
  SCBE_KEYRING_PUBLIC_KEY: text({
    pattern: /^U[A-Z2-7]{55}$/,
    expected: "the keyring's public nkey: U and 55 characters of base32",
    doc: "Whose signature grants and rings must bear. Known beforehand, never learnt from the bus.",
    check: (nkey) => (isUserNkey(nkey) ? undefined : "is no public nkey: its checksum is another"),
  }),
  SCBE_CONTROL_PUBLIC_KEY: text({
    default: NO_CONTROL_KEY,
    pattern: /^(none|U[A-Z2-7]{55})$/,
    expected: "the controller's public nkey: U and 55 characters of base32; or `none`",
    doc: "Whose signature kill switch, flags and leases must bear. `none`: nothing of them is obeyed, which is refused in prod.",
    check: (nkey, config) => wrongControlKey(nkey, config.SCBE_ENVIRONMENT),
  }),
  SCBE_CONTROL_LEASE_MS: integer({
    default: 5000,
    min: 200,
    max: 60_000,
    unit: "ms",
    doc: "How long a controller's word of what is in force counts, from the moment of asking; it is asked twice in that time.",
  }),
  SCBE_CONTROL_STALE_POLICY: choice(STALE_POLICIES, {
    default: "hold",
    doc: "What a process does whose lease has ended. `hold`: it obeys what it last knew; `refuse`: it seals and opens nothing until it has another.",
  }),
  SCBE_TRUST_SCORER: choice(["required", "none"], {
    default: "required",
    doc: "Whether this deployment runs trust scorers. `required`: a process is not ready before it holds a trust document, since it would know of no latch; `none`: there is none, and every provider is trusted.",
  }),
  SCBE_STATE_DIR: stateFolder({
    optional: true,
    doc: "Where the highest control generation is kept, so that no older document is obeyed after a restart either.",
  }),
  SCBE_NONCE_COUNTER_LIMIT: integer({
    default: COUNTER_LIMIT_MAX,
    min: 1,
    max: COUNTER_LIMIT_MAX,
    unit: "messages",
    doc: "How many messages one sealing session seals before a fresh one takes over.",
  }),
  SCBE_ADMIT_TIMEOUT_MS: integer({
    default: 600,
    min: 10,
    max: 60_000,
    unit: "ms",
    doc: "How long an opener waits for the replay guard; without its word a request is refused.",
    check: (admit, config) => below(admit, config, "SCBE_NOISE_FLOOR_MS"),
  }),
  SCBE_NOISE_FLOOR_MS: integer({
    default: 700,
    min: 20,
    max: 60_000,
    unit: "ms",
    doc: "The soonest, counted from its arrival, that a refused request is answered: whatever the reason, the wait is the same.",
    check: (floor, config) => below(floor, config, "SCBE_ACCEPT_TIMEOUT_MS"),
  }),
  SCBE_ACCEPT_TIMEOUT_MS: integer({
    default: 1000,
    min: 30,
    max: 60_000,
    unit: "ms",
    doc: "How long a caller waits for any sign of a gateway before it sends a fresh envelope to the group.",
  }),
};

function wrongControlKey(nkey: string, environment: unknown): string | undefined {
  if (nkey !== NO_CONTROL_KEY)
    return isUserNkey(nkey) ? undefined : "is no public nkey: its checksum is another";
  return environment === "prod" ? "is `none`, which is refused where SCBE_ENVIRONMENT is prod" : undefined;
}

function below(value: number, config: Readonly<Record<string, unknown>>, bound: string): string | undefined {
  return value < Number(config[bound])
    ? undefined
    : `${value} is not below ${bound} (${String(config[bound])}); the refusal of a forgery would show by its time`;
}
