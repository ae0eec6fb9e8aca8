import {
  ATTRIBUTES,
  type EndpointAnswer,
  type EndpointRequest,
  extractTrace,
  failSpan,
  processSpan,
  READ_RATE,
  type ServiceDefinition,
  type Span,
  type StreamReader,
  setFailure,
  streamEndpoint,
} from "@scbe/bus";
import {
  type AdmitVerdict,
  decodeAdmitBatch,
  decodeAdmitTraces,
  encodeVerdicts,
  HEADERS,
  QUEUES,
  ScbeError,
  servedAs,
  writeEpoch,
} from "@scbe/contracts";
import type { ReconcileLoop } from "@scbe/runtime";
import type { Admits } from "./admits.ts";
import type { EpochKeeper } from "./epoch-keeper.ts";

export interface EndpointsOptions {
  readonly admits: Admits;
  readonly keeper: EpochKeeper;
  readonly loop: Pick<ReconcileLoop, "next">;
  readonly providers: readonly string[];
  /** The stored reports of nonce reuse. */
  readonly security: Pick<StreamReader, "bounds" | "batch">;
  readonly version: string;
}

const READS = { placesOf: "user", userRate: READ_RATE, trace: "none" } as const;

/**
 * `scbe.v1.replay.admit.<user>.<provider>`: a batch of items in, a verdict for each out. `scbe.v1.replay.epoch.get.<user>`: nothing in, the
 * record out, verified after the request has arrived. `scbe.v1.security.read.<user>`: the stored reports of nonce reuse.
 */
export function replayEndpoints(options: EndpointsOptions): ServiceDefinition {
  const { admits, keeper, loop, security, version } = options;
  const providers = new Set(options.providers);

  const admit = async (request: EndpointRequest): Promise<EndpointAnswer> => {
    const { data, provider } = request;
    if (!providers.has(provider)) throw new ScbeError("BAD_REQUEST", "this provider is not served");
    const items = decodeAdmitBatch(data);
    const spans = startAdmitSpans(request, QUEUES.replayGuard, items.length);
    try {
      const verdicts = await admits.decide(items, provider);
      spans.decided(verdicts);
      return { data: encodeVerdicts(verdicts) };
    } catch (error) {
      spans.failed(error);
      throw error;
    }
  };
  const epochGet = async (): Promise<EndpointAnswer> => {
    await loop.next();
    if (keeper.inForce === undefined) throw new ScbeError("NOT_READY", "no replay epoch is verified");
    return { data: writeEpoch(keeper.inForce.record) };
  };
  return {
    name: "replay-guard",
    version,
    description: "Admits each envelope once, and names the replay epoch to seal for",
    queue: QUEUES.replayGuard,
    endpoints: [
      { name: "admit", ...servedAs("admit"), placesOf: "user", handler: admit, trace: "none" },
      { name: "epoch-get", ...servedAs("epochGet"), ...READS, handler: epochGet },
      { name: "security-read", ...servedAs("securityRead"), ...streamEndpoint(security) },
    ],
  };
}

/** The spans of a batch, each in the trace of its request. */
interface AdmitSpans {
  decided(verdicts: readonly AdmitVerdict[]): void;
  /** None of them was decided. */
  failed(error: unknown): void;
}

/** Starts a span for each item whose trace the batch names. Traces of indexes outside the batch are ignored. */
function startAdmitSpans(request: EndpointRequest, queue: string, count: number): AdmitSpans {
  const traces = decodeAdmitTraces(request.header(HEADERS.traceparents), count);
  const facts = { queue, bytes: request.data.length / Math.max(1, count) };
  const spans = [...traces].map(([index, traceparent]): [number, Span] => [
    index,
    processSpan(
      request.subject,
      facts,
      extractTrace((name) => (name === HEADERS.traceparent ? traceparent : undefined)),
    ),
  ]);
  return {
    decided: (verdicts) => {
      for (const [index, span] of spans) endWith(span, verdicts[index] ?? "refused");
    },
    failed: (error) => {
      for (const [, span] of spans) {
        failSpan(span, error);
        span.end();
      }
    },
  };
}

function endWith(span: Span, verdict: AdmitVerdict): void {
  span.setAttribute(ATTRIBUTES.verdict, verdict);
  if (verdict !== "fresh") setFailure(span, verdict);
  span.end();
}
