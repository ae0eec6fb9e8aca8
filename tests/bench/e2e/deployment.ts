import type { RunningProcess } from "@scbe/testkit";
import { startSystem } from "../../kit/system.ts";
import { nextMessage, type Workers } from "./workers.ts";

/** What becomes of the traces: there is no collector, or it takes them, or it never answers. */
export type Collecting = "none" | "takes" | "hangs";

/** All of ours that answers requests, on a NATS and a Redis of its own: keyring, replay guard, gateway. */
export interface Deployment {
  readonly redisUrl: string;
  /** Starts an orchestrator that takes load orders. @param sampled the share of its requests, 0 to 1, that is traced */
  startCaller(sampled: number): Promise<RunningProcess>;
}

export async function startDeployment(collecting: Collecting, workers: Workers): Promise<Deployment> {
  const variables = await tracingVariables(collecting, workers);
  const system = workers.use(await startSystem({ providers: ["openai"], envelope: false, variables }));
  const gateway = workers.start("../../kit/echo-gateway-program.ts", system.environment("gateway-openai"));
  await gateway.output(/serving/);
  return {
    redisUrl: system.redis?.url ?? "",
    startCaller: (sampled) =>
      workers.startReady("ours-caller.ts", {
        ...system.environment("orchestrator"),
        OTEL_TRACES_SAMPLER_ARG: String(sampled),
      }),
  };
}

/** The orchestrator decides what is traced, and who comes after it follows; what services begin themselves is as in production. */
async function tracingVariables(collecting: Collecting, workers: Workers): Promise<Record<string, string>> {
  if (collecting === "none") return {};
  const hangs = collecting === "hangs" ? "1" : "0";
  const collector = workers.start("collector.ts", { BENCH_COLLECTOR_HANGS: hangs });
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: String(await nextMessage(collector)),
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0.01",
  };
}
