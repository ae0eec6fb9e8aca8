import { setTimeout as delay } from "node:timers/promises";
import { DiagLogLevel, diag } from "@opentelemetry/api";
import { type Logger, LogLimiter } from "@scbe/runtime";

export interface TracingOptions {
  /** `service.name` of every span, unless `OTEL_SERVICE_NAME` is set. */
  readonly name: string;
  /** `service.version` */
  readonly version: string;
  /** Gets a warning when spans are lost: the first time, and then once a minute. */
  readonly log?: Logger;
  /** Runs for every batch of spans that was not delivered, and for spans that a full queue dropped. */
  readonly onExportFailure?: () => void;
}

/** The time to deliver the last spans when a process stops: a collector that hangs must not delay it further. */
const FLUSH_MS = 2000;

/**
 * Starts the OpenTelemetry SDK for this process's traces, by the standard `OTEL_*` variables, if they name an endpoint
 * (`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`); otherwise it does not even import the SDK. Spans are sent in the background
 * from a bounded queue; those that the collector does not accept are dropped. Call it once for each process, and not in a process with an SDK of its
 * own. Disposing delivers the last spans, within two seconds.
 * @example
 * await using tracing = await startTracing({ name: "orchestrator", version: "1.0.0" });
 */
export async function startTracing(options: TracingOptions): Promise<AsyncDisposable> {
  const { name, version } = options;
  const { env } = process;
  if (!hasEndpoint(env)) return { [Symbol.asyncDispose]: async () => undefined };
  const [{ NodeSDK }, resources] = await Promise.all([
    import("@opentelemetry/sdk-node"),
    import("@opentelemetry/resources"),
  ]);
  const { defaultResource, envDetector, resourceFromAttributes, serviceInstanceIdDetector } = resources;
  const own = resourceFromAttributes({ "service.name": name, "service.version": version });
  const diagnostics = followDiagnostics(options);
  const sdk = new NodeSDK({
    resource: defaultResource().merge(own),
    // The detector of processes would reveal the arguments and the user.
    ...(!isSet(env.OTEL_NODE_RESOURCE_DETECTORS) && {
      resourceDetectors: [serviceInstanceIdDetector, envDetector],
    }),
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  diagnostics.hasStarted();
  return {
    [Symbol.asyncDispose]: async () => {
      await Promise.race([sdk.shutdown().catch(() => undefined), delay(FLUSH_MS, undefined, { ref: false })]);
    },
  };
}

function hasEndpoint(env: Readonly<Record<string, string | undefined>>): boolean {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: all, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: traces } = env;
  return (isSet(all) || isSet(traces)) && env.OTEL_SDK_DISABLED?.trim().toLowerCase() !== "true";
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value.trim() !== "";
}

/**
 * Logs the SDK's diagnostics: unusable variables while it starts, lost spans later. It leaves out the SDK's own texts, which quote the collector's
 * answers, and addresses that may have a password in them.
 */
function followDiagnostics({ log, onExportFailure }: TracingOptions): { hasStarted(): void } {
  let isStarting = true;
  const limiter = new LogLimiter();
  const onProblem = (text: string): void => {
    const [variable = "an OTEL_* variable"] = /OTEL_[A-Z_]+/.exec(text) ?? [];
    if (isStarting) log?.warn({ variable }, "tracing cannot use the value of a variable");
  };
  const onError = (text: string): void => {
    onProblem(text);
    if (isStarting) return;
    onExportFailure?.();
    limiter.note(performance.now(), () =>
      log?.warn("spans could not be delivered, and are lost; is OTEL_EXPORTER_OTLP_ENDPOINT the right one?"),
    );
  };
  // For the SDK, spans that a full queue dropped are only a warning.
  const onWarning = (text: string): void => (text.startsWith("Dropped ") ? onError : onProblem)(text);
  const ignore = (): void => undefined;
  diag.setLogger(
    { error: onError, warn: onWarning, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  return {
    hasStarted: () => {
      isStarting = false;
    },
  };
}
