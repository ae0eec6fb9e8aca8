import type { Client, ConnectOptions } from "@scbe/client";
import type { ControlLeaseResult, MetricName, SignedMessageResult } from "@scbe/contracts";
import { createLogger } from "@scbe/service";
import { Registry } from "prom-client";
import type { System } from "../kit/system.ts";

/** The control plane of a verifier of this process, by its metrics. */
export interface ControlMetrics {
  /** The generation of the document in force; 0: none. */
  generation(): Promise<number>;
  isStale(): Promise<boolean>;
  isKilled(): Promise<boolean>;
  /** The number of received documents. */
  documents(result: SignedMessageResult): Promise<number>;
  /** The number of completed lease requests. */
  leases(result: ControlLeaseResult): Promise<number>;
}

export interface WatchedVerifier extends ControlMetrics, AsyncDisposable {
  readonly client: Client;
}

export interface WatchedOptions extends Partial<ConnectOptions> {
  readonly metrics?: Registry;
  /** The URL of a proxy to connect through. */
  readonly through?: string;
}

/** An orchestrator of a system, or the gateway of a provider, with readable control metrics. */
export async function watchedVerifier(
  system: System,
  user: "orchestrator" | `gateway-${string}`,
  { through, variables, ...more }: WatchedOptions = {},
): Promise<WatchedVerifier> {
  const metrics = more.metrics ?? new Registry();
  const options = {
    ...more,
    metrics,
    log: createLogger({ name: user, level: "silent" }),
    variables: { ...system.variables, ...variables },
    transport: { ...system.transport(user), ...(through !== undefined && { servers: [through] }) },
  };
  const client =
    user === "orchestrator"
      ? await system.orchestrator(options)
      : await system.gateway(user.slice("gateway-".length), options);
  return { ...controlMetricsOf(metrics), client, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}

export function controlMetricsOf(metrics: Registry): ControlMetrics {
  const read = async (name: MetricName, result?: string): Promise<number> => {
    const { values } = (await metrics.getSingleMetric(name)?.get()) ?? { values: [] };
    return values
      .filter(({ labels }) => result === undefined || labels.result === result)
      .reduce((sum, { value }) => sum + value, 0);
  };
  return {
    generation: () => read("scbe_control_generation"),
    isStale: async () => (await read("scbe_control_stale")) === 1,
    isKilled: async () => (await read("scbe_kill_switch_engaged")) > 0,
    documents: (result) => read("scbe_control_documents_total", result),
    leases: (result) => read("scbe_control_leases_total", result),
  };
}
