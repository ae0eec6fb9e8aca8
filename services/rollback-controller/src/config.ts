import {
  environmentVariables,
  identityFromSeed,
  opsVariables,
  storeVariables,
  transportVariables,
} from "@scbe/bus";
import { isUserNkey } from "@scbe/contracts";
import { type ConfigValues, choice, defineConfig, integer, list, path, text, url } from "@scbe/runtime";
import { usersVariables } from "@scbe/service";
import { HOLD_MINUTES_MAX } from "./canary/orders.ts";
import { STEPS_MAX, Steps } from "./canary/record.ts";

type Values = Readonly<Record<string, unknown>>;

/** The signing key, leases and leadership. */
export const controlVariables = {
  SCBE_CONTROL_SEED: text({
    secret: true,
    pattern: /^SU[A-Z2-7]{56}$/,
    expected: "the seed of a user nkey: SU and 56 characters of base32",
    doc: "The key that signs control documents and leases: the same for all controllers of an environment. An operator needs it to switch off without a controller. Not the nkey of the connection.",
    check: (seed) => (isSeed(seed) ? undefined : "is no seed: its checksum is another"),
  }),
  SCBE_CONTROL_LEASE_MS: integer({
    default: 5000,
    min: 200,
    max: 60_000,
    unit: "ms",
    doc: "The lease time of the verifiers. A verifier that has not asked for that long is shown as stale. No user may ask more often than its verifiers need to with this lease time.",
  }),
  SCBE_CONTROL_VERIFIERS_PER_USER: integer({
    default: 64,
    min: 1,
    max: 4096,
    doc: "How many verifiers of one user are counted, its replicas included. For a user with more, no kill is confirmed.",
  }),
  SCBE_CONTROL_LEADER_MS: integer({
    default: 6000,
    min: 300,
    max: 60_000,
    unit: "ms",
    doc: "A leader that has not renewed its leadership for that long is replaced. It renews three times as often, and gives leadership up after two thirds.",
  }),
  SCBE_KEYRING_PUBLIC_KEY: text({
    optional: true,
    pattern: /^U[A-Z2-7]{55}$/,
    expected: "the keyring's public nkey: U and 55 characters of base32",
    doc: "Broadcasts of this keyring name the data key in use; without it `GET /health/scbe` shows none.",
    check: (nkey) => (isUserNkey(nkey) ? undefined : "is no public nkey: its checksum is another"),
  }),
};

function isSeed(seed: string): boolean {
  try {
    identityFromSeed(seed, "SCBE_CONTROL_SEED");
    return true;
  } catch {
    return false;
  }
}

const TOKEN_PATTERN = /^[\x21-\x7e]{16,512}$/;
const EXPECTED = "16 to 512 printable characters without spaces";

/** The tokens of the control API. A token that is not set grants nothing. */
export const tokenVariables = {
  ADMIN_TOKEN: text({
    pattern: TOKEN_PATTERN,
    expected: EXPECTED,
    optional: true,
    secret: true,
    doc: "The bearer token with all rights in the control API.",
    check: (token, values) => sameAs(token, values, ["EMERGENCY_TOKEN", "SCBE_ALERTMANAGER_TOKEN"]),
  }),
  EMERGENCY_TOKEN: text({
    pattern: TOKEN_PATTERN,
    expected: EXPECTED,
    optional: true,
    secret: true,
    doc: "The bearer token that may engage the kill switch and read the flags, and nothing else.",
    check: (token, values) => sameAs(token, values, ["SCBE_ALERTMANAGER_TOKEN"]),
  }),
  SCBE_ALERTMANAGER_TOKEN: text({
    pattern: TOKEN_PATTERN,
    expected: EXPECTED,
    optional: true,
    secret: true,
    doc: "The bearer token of Alertmanager; valid for its webhook only.",
  }),
  SCBE_API_TOKENS_FILE: path({
    optional: true,
    doc: "Further tokens, each with a name that appears in the audit: JSON, a list of `{name, role, sha256}` with the role admin, emergency or alertmanager and the SHA-256 of the token in hexadecimal digits. It is read again when it changes.",
  }),
};

/** A token with two names would have the rights of the larger one. */
function sameAs(token: string, values: Values, names: readonly string[]): string | undefined {
  const twin = names.find((name) => values[name] === token);
  return twin && `is the same as ${twin}; each needs one of its own`;
}

const HOST_PATTERN = /^[A-Za-z0-9.:_-]{1,253}$/;
const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/;

/** The listener of the control API, and Prometheus. */
export const apiVariables = {
  SCBE_CONTROL_API_HOST: text({
    default: "127.0.0.1",
    pattern: HOST_PATTERN,
    expected: "an address or host name",
    doc: "The address on which the control API listens. One that is not loopback needs TLS.",
    check: plainProblem,
  }),
  SCBE_CONTROL_API_PORT: integer({
    default: 7100,
    min: 0,
    max: 65_535,
    unit: "TCP port",
    doc: "The control API listens here; 0 picks a free port, which the log names.",
  }),
  SCBE_CONTROL_API_HOSTS: list({
    optional: true,
    pattern: HOST_PATTERN,
    item: "a host name or address without port",
    max: 64,
    doc: "Hosts that a request may name beside loopback names and the address at which it arrived: the names under which people and proxies reach the control API. Any other is refused, so that no web page can reach it under a name of its own (DNS rebinding).",
  }),
  SCBE_CONTROL_API_TLS_CERT: path({
    optional: true,
    doc: "The certificate (PEM, with its chain) of the control API. It is read again when it changes.",
    check: (_value, { SCBE_CONTROL_API_TLS_KEY: key }) =>
      key === undefined ? "needs SCBE_CONTROL_API_TLS_KEY beside it" : undefined,
  }),
  SCBE_CONTROL_API_TLS_KEY: path({
    optional: true,
    private: true,
    doc: "The private key (PEM) of SCBE_CONTROL_API_TLS_CERT.",
    check: (_value, { SCBE_CONTROL_API_TLS_CERT: cert }) =>
      cert === undefined ? "needs SCBE_CONTROL_API_TLS_CERT beside it" : undefined,
  }),
  SCBE_CONTROL_API_PLAIN: choice(["refuse", "allow"], {
    default: "refuse",
    doc: "`allow`: plain HTTP also on an address that is not loopback, for a proxy that ends TLS in front of it on a network without other hosts.",
  }),
  PROMETHEUS_URL: url({
    schemes: ["http", "https"],
    optional: true,
    secret: true,
    doc: "The Prometheus that scrapes this deployment, a user and password in it included. Without it the API shows no metrics, and no canary is promoted.",
  }),
};

/** Tokens must not cross a network in the clear. */
function plainProblem(host: string, values: Values): string | undefined {
  const { SCBE_CONTROL_API_TLS_CERT: cert, SCBE_CONTROL_API_PLAIN: plain } = values;
  if (LOOPBACK.test(host) || cert !== undefined || plain === "allow") return undefined;
  return "is not loopback, and tokens would cross the network in the clear: set SCBE_CONTROL_API_TLS_CERT and SCBE_CONTROL_API_TLS_KEY, or SCBE_CONTROL_API_PLAIN=allow where a proxy in front of it ends TLS";
}

/** The effect of alerts and events. */
export const rollbackVariables = {
  SCBE_NONCE_REUSE_SCOPE: choice(["all", "provider"], {
    default: "all",
    doc: "What a nonce reuse takes out of the path: everything, as the runbook says, or the provider where it was seen. A gateway that lies about its admits can cause it.",
  }),
  SCBE_ALERT_REPEAT_SECONDS: integer({
    default: 60,
    min: 1,
    max: 86_400,
    unit: "s",
    doc: "How often Alertmanager repeats a safety alert: its `repeat_interval` for the webhook. A firing switches off once. A firing that is not repeated for twice as long is forgotten, and switches off again when it comes again.",
  }),
};

const encrypted = (value: string, values: Values): string | undefined =>
  values.SCBE_ENVIRONMENT === "prod" && !value.startsWith("https:")
    ? "is not https, which prod demands"
    : undefined;

/** The destinations of notices about kills and releases; none by default. */
export const noticeVariables = {
  PAGERDUTY_INTEGRATION_KEY: text({
    optional: true,
    secret: true,
    pattern: /^[A-Za-z0-9_-]{8,128}$/,
    expected: "the key of an Events API v2 integration",
    doc: "The PagerDuty integration that gets a notice of each kill and each release. With the same key as Alertmanager's, an alert and its kill are one incident.",
  }),
  PAGERDUTY_URL: url({
    default: "https://events.pagerduty.com/v2/enqueue",
    schemes: ["https", "http"],
    doc: "The address of PagerDuty's Events API v2; another one for its EU region, or behind a proxy.",
    check: encrypted,
  }),
  SLACK_WEBHOOK_URL: url({
    optional: true,
    secret: true,
    schemes: ["https", "http"],
    doc: "The incoming webhook of the Slack channel that gets a notice of each kill and each release.",
    check: encrypted,
  }),
};

/** Canary steps, and Alertmanager. */
export const canaryVariables = {
  SCBE_CANARY_STEPS: list({
    default: ["5", "25", "50", "100"],
    pattern: /^(100|[1-9][0-9]?)$/,
    item: "a whole number of percent, from 1 to 100",
    max: STEPS_MAX,
    doc: "The shares of a provider's traffic that a canary goes through, each above the one before.",
    check: (steps) =>
      Steps.safeParse(steps.map(Number)).success ? undefined : "has a step that is not above the one before",
  }),
  SCBE_CANARY_HOLD_MINUTES: integer({
    default: 30,
    min: 1,
    max: HOLD_MINUTES_MAX,
    unit: "min",
    doc: "The least duration of a canary's step.",
  }),
  SCBE_CANARY_TICK_SECONDS: integer({
    default: 30,
    min: 1,
    max: 600,
    unit: "s",
    doc: "How often running canaries are measured.",
  }),
  ALERTMANAGER_URL: url({
    schemes: ["http", "https"],
    optional: true,
    secret: true,
    doc: "The Alertmanager whose silences hold a canary back, a user and password in it included. Without it no canary is promoted.",
  }),
};

const { SCBE_ENVIRONMENT, SCBE_PROVIDERS } = environmentVariables;

/** Every variable of the rollback controller. */
export const config = defineConfig({
  SCBE_ENVIRONMENT,
  SCBE_PROVIDERS,
  ...transportVariables,
  ...storeVariables,
  ...opsVariables(7105),
  ...controlVariables,
  ...usersVariables,
  ...tokenVariables,
  ...apiVariables,
  ...rollbackVariables,
  ...noticeVariables,
  ...canaryVariables,
});

/** The rollback controller's configuration. */
export type RollbackControllerConfig = ConfigValues<typeof config>;
