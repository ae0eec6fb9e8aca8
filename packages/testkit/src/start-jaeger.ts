import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findServer } from "./find-server.ts";
import { type JaegerSpan, type RawTrace, spansOf } from "./jaeger-span.ts";
import { isOk, outputOf, startOnPorts } from "./start-on-ports.ts";
import { createTempDir } from "./temp-dir.ts";

export type { JaegerSpan } from "./jaeger-span.ts";

/** A trace as Jaeger's query API tells it. */
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

/** A real Jaeger that keeps traces in memory, on ports of its own on 127.0.0.1. */
export interface JaegerServer extends AsyncDisposable {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`: OTLP over HTTP. */
  readonly otlpUrl: string;
  /** Of the query API and its pages. */
  readonly url: string;
  readonly pid: number;
  /** What it has logged. */
  readonly output: string;
  /** The names of all services that it has heard of. */
  services(): Promise<readonly string[]>;
  /** All traces with such a span; what is still on its way is not among them. */
  tracesByTag(search: TagSearch): Promise<readonly JaegerTrace[]>;
  /** All traces that a service has spans in, at most 10,000. */
  traces(service: string): Promise<readonly JaegerTrace[]>;
  /** One trace by its id; `undefined` while there is none. */
  trace(id: string): Promise<JaegerTrace | undefined>;
  /** All that it has of a service, as its query API writes it: for "no secret in any of it". */
  text(service: string): Promise<string>;
}

/** Starts one; its temporary folder goes with it. @throws Error with the server's output when it does not start */
export async function startJaeger(): Promise<JaegerServer> {
  const program = findServer("jaeger");
  const dir = createTempDir();
  const configFile = join(dir.path, "jaeger.yml");
  try {
    const { server, ports } = await startOnPorts({
      program,
      ports: 3,
      // Else it traces itself, too.
      env: { OTEL_TRACES_SAMPLER: "always_off" },
      arguments: (taken) => {
        writeFileSync(configFile, jaegerConfig(taken));
        return ["--config", configFile];
      },
      isReady: ([, http]) => isOk(`http://127.0.0.1:${http}/api/services`),
    });
    const [otlp, http] = ports;
    const url = `http://127.0.0.1:${http}`;
    return {
      otlpUrl: `http://127.0.0.1:${otlp}`,
      url,
      pid: server.pid,
      get output() {
        return outputOf(server);
      },
      ...queries(url),
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

const TRACES_MAX = 10_000;

/** Jaeger 2, all of it on loopback. */
function jaegerConfig([otlp, http, grpc]: readonly number[]): string {
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

/** Without an end, Jaeger looks back for a time of its own choice; microseconds. */
const ALL = { limit: String(TRACES_MAX), start: "0", end: "9000000000000000" };

/** What the API answers; `undefined` for what is not there. @throws Error with Jaeger's own words */
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
