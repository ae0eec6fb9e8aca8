import type { environmentVariables, Host, windowVariables } from "@scbe/bus";
import { isUserNkey } from "@scbe/contracts";
import { type ConfigOf, choice, integer, stateFolder, text } from "@scbe/runtime";

const COUNTER_LIMIT_MAX = 2 ** 32 - 1;

/** In place of the controller's key: there is no control plane. */
export const NO_CONTROL_KEY = "none";

/** The environment variables of sealing and opening, beside those of the bus. */
export const verifierVariables = {
  SCBE_KEYRING_PUBLIC_KEY: text({
    pattern: /^U[A-Z2-7]{55}$/,
    expected: "the keyring's public nkey: U and 55 characters of base32",
    doc: "The key that must have signed grants and rings. It is configured, never learnt from the bus.",
    check: (nkey) => (isUserNkey(nkey) ? undefined : "is not a public nkey: its checksum is wrong"),
  }),
  SCBE_CONTROL_PUBLIC_KEY: text({
    default: NO_CONTROL_KEY,
    pattern: /^(none|U[A-Z2-7]{55})$/,
    expected: "the controller's public nkey: U and 55 characters of base32; or `none`",
    doc: "The key that must have signed kill switch, flags and leases. `none`: the process obeys none of them; not allowed in prod.",
    check: (nkey, config) => wrongControlKey(nkey, config.SCBE_ENVIRONMENT),
  }),
  SCBE_CONTROL_LEASE_MS: integer({
    default: 5000,
    min: 200,
    max: 60_000,
    unit: "ms",
    doc: "How long a controller's confirmation of the control document counts, from the moment of the request; it is requested twice in that time.",
  }),
  SCBE_CONTROL_STALE_POLICY: choice(["hold", "refuse"], {
    default: "hold",
    doc: "What a process does after its lease ended. `hold`: it obeys the last known document; `refuse`: it seals and opens nothing until it has a new lease.",
  }),
  SCBE_TRUST_SCORER: choice(["required", "none"], {
    default: "required",
    doc: "Whether this deployment runs trust scorers. `required`: a process is not ready before it holds a trust document, since it would not know of latches; `none`: every provider is trusted.",
  }),
  SCBE_STATE_DIR: stateFolder({
    optional: true,
    doc: "The folder that keeps the highest control generation, so that no older document is obeyed after a restart.",
  }),
  SCBE_NONCE_COUNTER_LIMIT: integer({
    default: COUNTER_LIMIT_MAX,
    min: 1,
    max: COUNTER_LIMIT_MAX,
    unit: "messages",
    doc: "How many messages one sealing session seals before a new session takes over.",
  }),
  SCBE_ADMIT_TIMEOUT_MS: integer({
    default: 600,
    min: 10,
    max: 60_000,
    unit: "ms",
    doc: "How long an opener waits for the replay guard; without its verdict a request is refused.",
    check: (admit, config) => below(admit, config, "SCBE_NOISE_FLOOR_MS"),
  }),
  SCBE_NOISE_FLOOR_MS: integer({
    default: 700,
    min: 20,
    max: 60_000,
    unit: "ms",
    doc: "How long after its arrival a refused request is answered: the wait is the same for every reason.",
    check: (floor, config) => below(floor, config, "SCBE_ACCEPT_TIMEOUT_MS"),
  }),
  SCBE_ACCEPT_TIMEOUT_MS: integer({
    default: 1000,
    min: 30,
    max: 60_000,
    unit: "ms",
    doc: "How long a caller waits for a first sign of a gateway before it sends a fresh envelope to the group.",
  }),
};

function wrongControlKey(nkey: string, environment: unknown): string | undefined {
  if (nkey !== NO_CONTROL_KEY)
    return isUserNkey(nkey) ? undefined : "is not a public nkey: its checksum is wrong";
  return environment === "prod" ? "is `none`, which is not allowed if SCBE_ENVIRONMENT is prod" : undefined;
}

function below(value: number, config: Readonly<Record<string, unknown>>, bound: string): string | undefined {
  return value < Number(config[bound])
    ? undefined
    : `${value} is not below ${bound} (${String(config[bound])}); the time of a refusal would show its reason`;
}

/** What a verifier needs of its process. */
export type VerifierHost = Pick<
  Host,
  "name" | "bus" | "identity" | "clock" | "log" | "readiness" | "metrics"
>;

/** The part of its process's configuration that it reads. */
export type VerifierConfig = ConfigOf<
  typeof environmentVariables & typeof windowVariables & typeof verifierVariables
>;
