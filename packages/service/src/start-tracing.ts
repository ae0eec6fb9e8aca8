import { setTimeout as delay } from "node:timers/promises";
import { DiagLogLevel, diag } from "@opentelemetry/api";
import type { Logger } from "@scbe/runtime";

export interface TracingOptions {
  /** `service.name` of every span, unless `OTEL_SERVICE_NAME` says another. */
  readonly name: string;
  /** `service.version` */
  readonly version: string;
  /** Hears that spans are lost: the first time, and then once a minute. */
  readonly log?: Logger;
  /** Runs for every batch of spans that was not delivered, and whenever spans found the queue full. */
  readonly onExportFailure?: () => void;
}

/** Time to deliver what is left when a process stops: a collector that hangs may not keep it. */
const FLUSH_MS = 2000;
const SAY_AGAIN_MS = 60_000;

/**
 * Starts the OpenTelemetry SDK for this process's traces, by the standard `OTEL_*` variables, if there is an endpoint to
 * send them to (`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`); else the SDK is not even imported.
 * Spans go out in the background from a bounded queue: what a collector does not take is dropped. Once for each process;
 * whoever has set up an SDK of their own does not call it. Disposing delivers what is left, within two seconds.
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
  const hearing = hearFailures(options);
  const sdk = new NodeSDK({
    resource: defaultResource().merge(own),
    // The detector of processes would tell arguments, and who runs them.
    ...(!isSet(env.OTEL_NODE_RESOURCE_DETECTORS) && {
      resourceDetectors: [serviceInstanceIdDetector, envDetector],
    }),
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  hearing.hasStarted();
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
 * The SDK's own texts are left out: they quote the collector's answers, and addresses that may have a password in them.
 * While it starts it speaks of variables that it cannot use; later, of spans that were not taken.
 */
function hearFailures({ log, onExportFailure }: TracingOptions): { hasStarted(): void } {
  let isStarting = true;
  let saidAt = Number.NEGATIVE_INFINITY;
  const onProblem = (text: string): void => {
    const [variable = "an OTEL_* variable"] = /OTEL_[A-Z_]+/.exec(text) ?? [];
    if (isStarting) log?.warn({ variable }, "tracing cannot use a variable as it stands");
  };
  const onError = (text: string): void => {
    onProblem(text);
    if (isStarting) return;
    onExportFailure?.();
    if (performance.now() - saidAt < SAY_AGAIN_MS) return;
    saidAt = performance.now();
    log?.warn("spans could not be delivered, and are lost; is OTEL_EXPORTER_OTLP_ENDPOINT the right one?");
  };
  // What a full queue did not take was sent to nobody, so the SDK takes it for no error.
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
