/** What a program needs to run at all. */
const OF_THE_MACHINE = ["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "NODE_COMPILE_CACHE"];

/** How this machine reaches the world: for those who call a provider. A proxy may have a password in its URL. */
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

/** Always the same, since the launcher kills what has not stopped some time later: long enough for what is in flight here, short enough for whoever pressed Ctrl-C. */
const DRAIN_TIMEOUT_MS = "5000";

/**
 * What every part of the local stack gets of our own environment: the machine's, the level of logs, and SCBE's limits and times.
 * Where things are and who is who is told to each part by itself; no part gets another one's secrets.
 */
export function baseEnvironment(own: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(own).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && isPassedOn(entry[0]),
  );
  return { ...Object.fromEntries(entries), SCBE_DRAIN_TIMEOUT_MS: DRAIN_TIMEOUT_MS };
}

function isPassedOn(name: string): boolean {
  if (OF_THE_MACHINE.includes(name) || name === "LOG_LEVEL") return true;
  return name.startsWith("SCBE_") && !name.startsWith("SCBE_KMS_") && !name.startsWith("SCBE_OPS_");
}

/**
 * What programs of ours get of the standard `OTEL_*` variables. Each of them goes by its own name, so `OTEL_SERVICE_NAME` is
 * left out.
 * @param jaeger where the local Jaeger takes traces; what the user says goes before it
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

/** Spans are looked for right after the request that made them. */
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
