import type { LocalFolder } from "../local-folder.ts";
import { Port } from "../port.ts";
import { httpServer, type WatchServer } from "./http-server.ts";

export interface JaegerOptions {
  readonly file: string;
  readonly folder: LocalFolder;
  readonly env: Readonly<Record<string, string>>;
  /** Of its pages and its query API. */
  readonly port: Port;
  readonly otlpPort: Port;
}

/** Jaeger 2, which keeps traces in its memory. */
export function jaegerServer({ port, otlpPort, folder, env, ...options }: JaegerOptions): WatchServer {
  return httpServer({
    ...options,
    folder,
    // Else it traces itself, to a collector that is not there, and waits for it at its end.
    env: { ...env, OTEL_TRACES_SAMPLER: "always_off" },
    name: "jaeger",
    ports: [port, otlpPort, new Port()],
    readyPath: "/api/services",
    config,
    arguments: (_ports, configFile) => ["--config", configFile],
  });
}

const TRACES_MAX = 10_000;

function config([http, otlp, grpc]: readonly number[]): string {
  return `service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: { traces: { receivers: [otlp], processors: [batch], exporters: [jaeger_storage_exporter] } }
  telemetry: { metrics: { level: none } }
extensions:
  jaeger_query:
    storage: { traces: memory }
    http: { endpoint: "127.0.0.1:${http}" }
    grpc: { endpoint: "127.0.0.1:${grpc}" }
  jaeger_storage: { backends: { memory: { memory: { max_traces: ${TRACES_MAX} } } } }
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:${otlp}" } } } }
processors: { batch: { timeout: 200ms } }
exporters: { jaeger_storage_exporter: { trace_storage: memory } }
`;
}
