import {
  type EndpointAnswer,
  type EndpointRequest,
  READ_RATE,
  type ServiceDefinition,
  type StreamReader,
  streamEndpoint,
} from "@scbe/bus";
import { decodeAdmitBatch, encodeVerdicts, QUEUES, ScbeError, servedAs, writeEpoch } from "@scbe/contracts";
import type { ReconcileLoop } from "@scbe/runtime";
import { startAdmitSpans } from "./admit-spans.ts";
import type { Admits } from "./admits.ts";
import type { EpochKeeper } from "./epoch-keeper.ts";

export interface EndpointsOptions {
  readonly admits: Admits;
  readonly keeper: EpochKeeper;
  readonly turns: Pick<ReconcileLoop, "next">;
  readonly providers: readonly string[];
  /** Where reports of nonce reuse are stored. */
  readonly security: Pick<StreamReader, "bounds" | "batch">;
  readonly version: string;
}

const READS = { placesOf: "user", userRate: READ_RATE, trace: "none" } as const;

/**
 * `scbe.v1.replay.admit.<user>.<provider>`: a batch of items in, a verdict for each out. `scbe.v1.replay.epoch.get.<user>`: nothing in, the
 * record out, verified after the question has come. `scbe.v1.security.read.<user>`: the stored reports of nonce reuse.
 */
export function replayEndpoints(options: EndpointsOptions): ServiceDefinition {
  const { admits, keeper, turns, security, version } = options;
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
    await turns.next();
    if (keeper.inForce === undefined) throw new ScbeError("NOT_READY", "no replay epoch is verified");
    return { data: writeEpoch(keeper.inForce.record) };
  };
  return {
    name: "replay-guard",
    version,
    description: "Admits an envelope once, and tells the replay epoch to seal for",
    queue: QUEUES.replayGuard,
    endpoints: [
      { name: "admit", ...servedAs("admit"), placesOf: "user", handler: admit, trace: "none" },
      { name: "epoch-get", ...servedAs("epochGet"), ...READS, handler: epochGet },
      { name: "security-read", ...servedAs("securityRead"), ...streamEndpoint(security) },
    ],
  };
}
