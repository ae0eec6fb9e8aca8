type Values = Readonly<Record<string, string | number | boolean>>;

/** A span as Jaeger's query API tells it. */
export interface JaegerSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Absent at a root. */
  readonly parentSpanId?: string;
  readonly service: string;
  readonly name: string;
  /** internal, server, client, producer or consumer. */
  readonly kind: string;
  /** Its attributes, and `otel.status_description` and the like that Jaeger adds. */
  readonly attributes: Values;
  /** Why it failed, where it has the status of an error; else absent. */
  readonly error?: string;
  /** What the resource says, e.g. `service.version`. */
  readonly resource: Values;
  readonly events: readonly Values[];
  /** Microseconds since 1970. */
  readonly startUs: number;
  readonly durationUs: number;
}

interface KeyValue {
  readonly key: string;
  readonly value: string | number | boolean;
}

/** As `/api/traces` has it. */
export interface RawTrace {
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

/** The spans of a trace, with what Jaeger keeps apart put to each. */
export function spansOf({ spans, processes }: RawTrace): JaegerSpan[] {
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
