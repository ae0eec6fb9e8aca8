import {
  environmentVariables,
  opsVariables,
  storeVariables,
  transportVariables,
  windowVariables,
} from "@scbe/bus";
import type { Environment } from "@scbe/contracts";
import { type ConfigValues, defineConfig, integer, path, text, url } from "@scbe/runtime";

type Values = Readonly<Record<string, unknown>>;

/** Every variable of the replay guard. */
export const config = defineConfig({
  ...environmentVariables,
  SCBE_ENVIRONMENT: { ...environmentVariables.SCBE_ENVIRONMENT, check: checkEnvironment },
  ...windowVariables,
  ...transportVariables,
  ...storeVariables,
  ...opsVariables(7103),
  REDIS_URL: url({
    schemes: ["redis", "rediss"],
    optional: true,
    secret: true,
    doc: "The Redis that remembers admitted envelopes: one server, or, with REDIS_SENTINELS, the user, password and scheme for the primary that they name. Redis Cluster is not supported. Without both, one process remembers them in memory, which is refused in prod.",
    check: checkRedisUrl,
  }),
  REDIS_REPLAY_DB: integer({
    default: 1,
    min: 0,
    max: 15,
    doc: "The number of the Redis database; its keys are scbe:replay:*.",
  }),
  REDIS_TLS_CA: path({
    optional: true,
    doc: "Certificates (PEM) that the certificate of Redis must chain to; for rediss:// only.",
    check: (_value, values) =>
      schemeOf(values) === "rediss:" ? undefined : "is set, but REDIS_URL is not rediss://",
  }),
  REDIS_SENTINELS: text({
    optional: true,
    pattern: /^[A-Za-z0-9.-]{1,253}:\d{1,5}(,[A-Za-z0-9.-]{1,253}:\d{1,5}){0,15}$/,
    expected: "1 to 16 items host:port separated by commas",
    doc: "The sentinels that know the primary Redis. The host in REDIS_URL is then not used.",
    check: (_value, values) =>
      values.REDIS_SENTINEL_NAME === undefined ? "needs REDIS_SENTINEL_NAME beside it" : undefined,
  }),
  REDIS_SENTINEL_NAME: text({
    optional: true,
    pattern: /^[A-Za-z0-9._-]{1,128}$/,
    expected: "1 to 128 of letters, digits, dot, _ and -",
    doc: "The name under which the sentinels watch the primary.",
    check: (_value, values) =>
      values.REDIS_SENTINELS === undefined ? "needs REDIS_SENTINELS beside it" : undefined,
  }),
  REDIS_COMMAND_TIMEOUT_MS: integer({
    default: 400,
    min: 10,
    max: 10_000,
    unit: "ms",
    doc: "Time limit of one script call; set it below SCBE_ADMIT_TIMEOUT_MS of the openers, or they never see a failure.",
  }),
  SCBE_REPLAY_PROVIDER_QUOTA: integer({
    default: 1_000_000,
    min: 1,
    max: 1_000_000_000,
    unit: "envelopes",
    doc: "The most envelopes of one provider that are remembered, over all minutes. Above it further envelopes of that provider are refused; those of other providers are admitted. Redis needs about 200 bytes for each, and room for the quotas of all providers.",
  }),
  SCBE_REPLAY_MEMORY_ENTRIES: integer({
    default: 250_000,
    min: 1,
    max: 10_000_000,
    unit: "envelopes",
    doc: "The most envelopes that the in-memory store remembers, an equal share for each provider. When a share is full, further envelopes are refused; older ones are never forgotten.",
  }),
});

/** The replay guard's configuration. */
export type ReplayGuardConfig = ConfigValues<typeof config>;

function checkEnvironment(environment: Environment, values: Values): string | undefined {
  const hasRedis = values.REDIS_URL !== undefined || values.REDIS_SENTINELS !== undefined;
  return environment === "prod" && !hasRedis
    ? "is prod, where the in-memory store is refused; set REDIS_URL or REDIS_SENTINELS"
    : undefined;
}

function checkRedisUrl(value: string, values: Values): string | undefined {
  const { hostname, pathname, search, hash, username, password } = new URL(value);
  if (!isPercentEncoded(username) || !isPercentEncoded(password))
    return "has a user or password that is not percent-encoded: write % as %25";
  if (hostname === "") return "names no host";
  if (hostname.includes(",") || hostname.includes("%2C"))
    return "names several servers; Redis Cluster is not supported, sentinels are (REDIS_SENTINELS)";
  if (search !== "" || hash !== "") return "has a query or a fragment, which would be ignored";
  const db = pathname.replace(/^\//, "");
  if (db !== "" && db !== String(values.REDIS_REPLAY_DB))
    return `names another database than REDIS_REPLAY_DB (${String(values.REDIS_REPLAY_DB)})`;
  return undefined;
}

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function schemeOf({ REDIS_URL: value }: Values): string | undefined {
  return typeof value === "string" ? new URL(value).protocol : undefined;
}
