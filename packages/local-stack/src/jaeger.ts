import { type ConfiguredServer, configuredServer } from "./configured-server.ts";
import { findServer } from "./find-tool.ts";
import { Port } from "./ports.ts";
import { outputOf } from "./process.ts";
import { type ServerOptions, startProgram } from "./program.ts";
import { createTempDir } from "./temp-dir.ts";

export interface JaegerServerOptions extends ServerOptions {
  readonly folder: string;
  /** Of its pages and its query API. */
  readonly port: Port;
  /** Of its receiver: OTLP over HTTP. */
  readonly otlpPort: Port;
}

/** Jaeger 2 on 127.0.0.1, with traces in its memory. */
export function jaegerServer({ port, otlpPort, env, ...options }: JaegerServerOptions): ConfiguredServer {
  return configuredServer({
    ...options,
    // By default it traces itself to a collector that is not there, and waits for that collector at its end.
    env: { ...env, OTEL_TRACES_SAMPLER: "always_off" },
    name: "jaeger",
    ports: [port, otlpPort, new Port()],
    readyPath: "/api/services",
    config: configOf,
    arguments: (_ports, configFile) => ["--config", configFile],
  });
}

const TRACES_MAX = 10_000;

function configOf([http, otlp, grpc]: readonly number[]): string {
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
processors: { batch: { timeout: 50ms } }
exporters: { jaeger_storage_exporter: { trace_storage: memory } }
`;
}

type Values = Readonly<Record<string, string | number | boolean>>;

/** A span, from Jaeger's query API. */
export interface JaegerSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Absent at a root. */
  readonly parentSpanId?: string;
  readonly service: string;
  readonly name: string;
  /** internal, server, client, producer or consumer. */
  readonly kind: string;
  /** With those that Jaeger adds, such as `otel.status_description`. */
  readonly attributes: Values;
  /** The description of an error status; absent without one. */
  readonly error?: string;
  /** Attributes of the resource, e.g. `service.version`. */
  readonly resource: Values;
  readonly events: readonly Values[];
  /** Microseconds since 1970. */
  readonly startUs: number;
  readonly durationUs: number;
}

/** A trace, from Jaeger's query API. */
export interface JaegerTrace {
  readonly traceId: string;
  readonly spans: readonly JaegerSpan[];
}

export interface TagSearch {
  /** A name of a service that has a span in the trace. */
  readonly service: string;
  /** An attribute of one of that service's spans. */
  readonly tag: string;
  readonly value: string;
}

/** A real Jaeger. */
export interface JaegerServer extends AsyncDisposable {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`: OTLP over HTTP. */
  readonly otlpUrl: string;
  /** Of the query API and its pages. */
  readonly url: string;
  readonly pid: number;
  /** Its log. */
  readonly output: string;
  /** The names of all services that have sent spans. */
  services(): Promise<readonly string[]>;
  /** All traces with such a span that have arrived. */
  tracesByTag(search: TagSearch): Promise<readonly JaegerTrace[]>;
  /** All traces with spans of a service, at most 10,000. */
  traces(service: string): Promise<readonly JaegerTrace[]>;
  /** One trace by its id; `undefined` until it has arrived. */
  trace(id: string): Promise<JaegerTrace | undefined>;
  /** All traces of a service as the query API's own text, to search it for secrets. */
  text(service: string): Promise<string>;
}

/** Starts one for a test, with a temporary folder. @throws Error with the server's output when it does not start */
export async function startJaeger(): Promise<JaegerServer> {
  const file = findServer("jaeger");
  const dir = createTempDir();
  try {
    const otlpPort = new Port();
    const options = { file, env: process.env, folder: dir.path, port: new Port(), otlpPort };
    const definition = jaegerServer(options);
    const server = await startProgram(definition.program);
    return {
      otlpUrl: `http://127.0.0.1:${otlpPort.number}`,
      url: definition.url,
      pid: server.pid,
      get output() {
        return outputOf(server);
      },
      ...queries(definition.url),
      [Symbol.asyncDispose]: async () => {
        await server.kill();
        dir[Symbol.dispose]();
      },
    };
  } catch (error) {
    dir[Symbol.dispose]();
    throw error;
  }
}

function queries(url: string): Pick<JaegerServer, "services" | "tracesByTag" | "traces" | "trace" | "text"> {
  const search = async (parameters: Record<string, string>): Promise<JaegerTrace[]> => {
    const query = new URLSearchParams({ ...parameters, ...ALL });
    return tracesOf(await ask(`${url}/api/traces?${query}`));
  };
  return {
    services: async () => (await ask<string[]>(`${url}/api/services`)) ?? [],
    tracesByTag: ({ service, tag, value }) => search({ service, tags: JSON.stringify({ [tag]: value }) }),
    traces: (service) => search({ service }),
    trace: async (id) => tracesOf(await ask(`${url}/api/traces/${id}`))[0],
    text: async (service) => {
      const query = new URLSearchParams({ service, ...ALL });
      return (await fetch(`${url}/api/traces?${query}`)).text();
    },
  };
}

/** In microseconds. Without an end, Jaeger chooses how far it looks back. */
const ALL = { limit: String(TRACES_MAX), start: "0", end: "9000000000000000" };

/** @returns the API's data; `undefined` for a 404. @throws Error with Jaeger's message */
async function ask<T = readonly RawTrace[]>(url: string): Promise<T | undefined> {
  const response = await fetch(url);
  if (response.status === 404) return undefined;
  const answer = (await response.json()) as { data?: T | null; errors?: readonly { msg: string }[] | null };
  const [error] = answer.errors ?? [];
  if (error !== undefined) throw new Error(`${error.msg}: ${url}`);
  return answer.data ?? undefined;
}

function tracesOf(raw: readonly RawTrace[] = []): JaegerTrace[] {
  return raw.map((trace) => ({ traceId: trace.traceID, spans: spansOf(trace) }));
}

interface KeyValue {
  readonly key: string;
  readonly value: string | number | boolean;
}

/** The form of `/api/traces`. */
interface RawTrace {
  readonly traceID: string;
  readonly spans: readonly RawSpan[];
  readonly processes: Readonly<Record<string, { serviceName: string; tags: readonly KeyValue[] }>>;
}

interface RawSpan {
  readonly traceID: string;
  readonly spanID: string;
  readonly operationName: string;
  readonly references: readonly { refType: string; spanID: string }[];
  readonly startTime: number;
  readonly duration: number;
  readonly tags: readonly KeyValue[];
  readonly logs: readonly { fields: readonly KeyValue[] }[];
  readonly processID: string;
}

/** The spans of a trace, each with its process, which Jaeger keeps apart. */
function spansOf({ spans, processes }: RawTrace): JaegerSpan[] {
  return spans.map((span) => {
    const { serviceName = "", tags = [] } = processes[span.processID] ?? {};
    const attributes = valuesOf(span.tags);
    const parent = span.references.find(({ refType }) => refType === "CHILD_OF");
    const failed = attributes["otel.status_code"] === "ERROR";
    return {
      traceId: span.traceID,
      spanId: span.spanID,
      ...(parent !== undefined && { parentSpanId: parent.spanID }),
      service: serviceName,
      name: span.operationName,
      kind: String(attributes["span.kind"] ?? "internal"),
      attributes,
      ...(failed && { error: String(attributes["otel.status_description"] ?? "") }),
      resource: valuesOf(tags),
      events: span.logs.map(({ fields }) => valuesOf(fields)),
      startUs: span.startTime,
      durationUs: span.duration,
    };
  });
}

function valuesOf(pairs: readonly KeyValue[]): Values {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, value]));
}
