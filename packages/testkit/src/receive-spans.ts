import { createServer } from "node:http";
import { eventually } from "@scbe/local-stack";
import { listenOnLoopback } from "./listen.ts";

/** A span, exported by OTLP over HTTP in JSON. */
export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Absent at a root. */
  readonly parentSpanId?: string;
  /** OTLP's number: 1 internal, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** 2: error */
  readonly status: { readonly code?: number; readonly message?: string };
}

/** What the receiver does with an export: takes it, refuses it with a 500, or never answers. */
export type Treatment = "take" | "refuse" | "hang";

export interface SpanReceiver extends AsyncDisposable {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`; set `OTEL_EXPORTER_OTLP_PROTOCOL=http/json` beside it. */
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  /** The number of exports, whatever the treatment. */
  readonly exports: number;
  /** The text of all exports that were taken. */
  readonly text: string;
  /** Waits for the first span of that name. */
  span(name: string): Promise<ReceivedSpan>;
}

/** A collector of spans on a free port of the loopback. */
export async function receiveSpans(treatment: Treatment = "take"): Promise<SpanReceiver> {
  const spans: ReceivedSpan[] = [];
  const texts: string[] = [];
  let exports = 0;
  const server = createServer(async (request, response) => {
    exports += 1;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (treatment === "hang") return;
    if (treatment === "refuse") {
      response.writeHead(500).end("the collector's own words");
      return;
    }
    const text = Buffer.concat(chunks).toString("utf8");
    texts.push(text);
    spans.push(...spansOf(JSON.parse(text) as ExportRequest));
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  const port = await listenOnLoopback(server);
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    get exports() {
      return exports;
    },
    get text() {
      return texts.join("\n");
    },
    span: async (name) => {
      const find = (): ReceivedSpan | undefined => spans.find((span) => span.name === name);
      await eventually(() => find() !== undefined);
      return find() as ReceivedSpan;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Attribute {
  readonly key: string;
  readonly value: {
    stringValue?: string;
    intValue?: number | string;
    doubleValue?: number;
    boolValue?: boolean;
  };
}

interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<ReceivedSpan, "attributes" | "service"> & {
        readonly attributes?: readonly Attribute[];
      })[];
    }[];
  }[];
}

function spansOf({ resourceSpans }: ExportRequest): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource.attributes)["service.name"]);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({ ...span, service, attributes: valuesOf(span.attributes ?? []) })),
    );
  });
}

function valuesOf(attributes: readonly Attribute[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, doubleValue, boolValue } }) => [
      key,
      stringValue ?? (intValue === undefined ? (doubleValue ?? boolValue ?? "") : Number(intValue)),
    ]),
  );
}
