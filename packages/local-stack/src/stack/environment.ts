import { PROVIDER_APIS, PROVIDER_NAMES, type ProviderName, urlVariable } from "@scbe/examples/providers";

/** Variables that every program needs. */
const OF_THE_MACHINE = ["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "NODE_COMPILE_CACHE"];

/** Proxies and certificates, for programs that call a provider. A proxy's URL can hold a password. */
export const WAY_TO_PROVIDERS = [
  "NODE_EXTRA_CA_CERTS",
  "NODE_USE_ENV_PROXY",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
];

/** Fixed, because the launcher kills a program that takes longer: enough for local requests in flight, short for a user at Ctrl-C. */
const DRAIN_TIMEOUT_MS = "5000";

/**
 * The variables that every program of the local stack inherits: the machine's, the log level, and SCBE's limits and times. Each program
 * gets its addresses and credentials separately, and no secret of another program.
 */
export function baseEnvironment(own: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(own).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && isInherited(entry[0]),
  );
  return { ...Object.fromEntries(entries), SCBE_DRAIN_TIMEOUT_MS: DRAIN_TIMEOUT_MS };
}

function isInherited(name: string): boolean {
  if (OF_THE_MACHINE.includes(name) || name === "LOG_LEVEL") return true;
  return name.startsWith("SCBE_") && !name.startsWith("SCBE_KMS_") && !name.startsWith("SCBE_OPS_");
}

/**
 * The standard `OTEL_*` variables that our programs inherit, without `OTEL_SERVICE_NAME`: each program has its own name.
 * @param jaeger the address of the local Jaeger's receiver; the user's own collector takes precedence
 */
export function tracingEnvironment(
  own: NodeJS.ProcessEnv,
  jaeger: string | undefined,
): Record<string, string> {
  const given = Object.entries(own).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && entry[0].startsWith("OTEL_") && entry[0] !== "OTEL_SERVICE_NAME",
  );
  if (jaeger === undefined || tracesGoElsewhere(own)) return Object.fromEntries(given);
  return { ...LOCAL_TRACES, ...Object.fromEntries(given), OTEL_EXPORTER_OTLP_ENDPOINT: jaeger };
}

/** A user looks for spans right after the request. */
const LOCAL_TRACES = { OTEL_BSP_SCHEDULE_DELAY: "500" };

/** True when the user has named a collector. */
export function tracesGoElsewhere(own: NodeJS.ProcessEnv): boolean {
  const names = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
  return names.some((name) => (own[name] ?? "").trim() !== "");
}

/** The variables of `names` that are set, directly or by a file. */
export function pick(own: NodeJS.ProcessEnv, names: readonly string[]): Record<string, string> {
  const wanted = names.flatMap((name) => [name, `${name}_FILE`]);
  return Object.fromEntries(
    wanted.flatMap((name) => {
      const value = own[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}

/** A sentence with what answers for each provider: its real API, another address, or the local stand-in. */
export function providerAnswers(own: NodeJS.ProcessEnv): string {
  const real = PROVIDER_NAMES.filter((name) => hasKey(name, own) && !hasUrl(name, own));
  const elsewhere = PROVIDER_NAMES.filter((name) => hasUrl(name, own));
  const rest = standInProviders(own);
  return [
    ...(real.length > 0 ? [`there is a key: the real API answers for ${real.join(", ")}`] : []),
    ...(elsewhere.length > 0
      ? [`SCBE_PROVIDER_URL_* is set: that address answers for ${elsewhere.join(", ")}`]
      : []),
    ...(rest.length > 0 ? [`there is no key: a local stand-in answers for ${rest.join(", ")}`] : []),
  ].join("; ");
}

/** The providers that the local stand-in answers for. */
export function standInProviders(own: NodeJS.ProcessEnv): string[] {
  return PROVIDER_NAMES.filter((name) => !hasKey(name, own) && !hasUrl(name, own));
}

function hasKey(provider: ProviderName, own: NodeJS.ProcessEnv): boolean {
  return Object.keys(pick(own, PROVIDER_APIS[provider].keyVariables)).length > 0;
}

function hasUrl(provider: ProviderName, own: NodeJS.ProcessEnv): boolean {
  return (own[urlVariable(provider)] ?? "") !== "";
}
